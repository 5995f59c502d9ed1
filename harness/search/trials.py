"""What Optuna keeps of a trial -> a trial as the harness sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.experiment.space import Values
from harness.experiment.study import Study, known

if TYPE_CHECKING:
    import optuna

State = Literal["completed", "pruned", "diverged", "infeasible", "failed", "running", "interrupted", "waiting"]

# What a trial's user attributes are called in the study's storage.
RUNS, ENDED, REASON, DIGEST, SECONDS, EPOCHS, FOLLOWS = "runs", "ended", "reason", "digest", "seconds", "epochs", "follows"

UNMEASURED = "unmeasured"  # how the digest begins where every run went well and none measured an objective
NEVER_MEASURED = "a retry would not measure it either; aim at another metric, or have the task measure it, and --replan"


@dataclass(frozen=True)
class Trial:
    """One setting that was tried. `state` says which fields mean something.

    completed: its runs trained to the end; pruned: left early as others were better by then; diverged: a metric was not finite;
    infeasible: over a bound, or refused by the task, and never trained; failed: a run failed; interrupted: whoever trained it is
    gone, and another trial goes on with its values; waiting: its values are to be tried next.
    """

    number: int
    state: State
    values: Values  # by parameter
    objectives: Mapping[str, float]  # completed: by metric, means over the seeds
    runs: tuple[str, ...] = ()  # their ids, seed by seed
    reason: str | None = None  # pruned, diverged, infeasible, failed
    digest: str | None = None  # failed: equal for failures at the same place of the code
    follows: int | None = None  # the trial whose values it goes on with
    curve: Mapping[int, float] | None = None  # epoch -> the first objective, of the first seed; None: not reported
    seconds: float = 0.0  # spent training
    epochs: int = 0  # trained
    began: str | None = None  # ISO 8601, local time without a zone
    ended: str | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("running", "waiting")

    @property
    def retriable(self) -> bool:
        """Whether it failed as a run of it did, so that `--retry failed` may help."""
        return self.state == "failed" and not (self.digest or "").startswith(UNMEASURED)


def trial_of(study: Study, frozen: optuna.trial.FrozenTrial) -> Trial:
    """A trial as the storage has it."""
    attributes: Mapping[str, Any] = frozen.user_attrs
    values = frozen.values if frozen.state.name == "COMPLETE" else None
    return Trial(
        number=frozen.number,
        state=_state(frozen.state.name, attributes),
        values=known(study, {**frozen.system_attrs.get("fixed_params", {}), **frozen.params}),
        objectives=dict(zip(study.objectives, values, strict=True)) if values else {},
        runs=tuple(attributes.get(RUNS, ())),
        reason=attributes.get(REASON),
        digest=attributes.get(DIGEST),
        follows=attributes.get(FOLLOWS),
        curve=dict(frozen.intermediate_values) or None,
        seconds=attributes.get(SECONDS, 0.0),
        epochs=attributes.get(EPOCHS, 0),
        began=frozen.datetime_start.isoformat(timespec="seconds") if frozen.datetime_start else None,
        ended=frozen.datetime_complete.isoformat(timespec="seconds") if frozen.datetime_complete else None,
    )


def _state(state: str, attributes: Mapping[str, Any]) -> State:
    if state == "COMPLETE":
        return "completed"
    if state == "PRUNED":
        ended: State = attributes.get(ENDED, "pruned")
        return ended
    if state == "FAIL":
        return "failed" if attributes.get(ENDED) == "failed" else "interrupted"
    return "running" if state == "RUNNING" else "waiting"


def counted(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that count towards the target: begun, and gone on with by no other trial."""
    every = list(trials)
    followed = {trial.follows for trial in every}
    return [trial for trial in every if trial.state not in ("interrupted", "waiting") and trial.number not in followed]


def trained_s(trials: Iterable[Trial]) -> float:
    """Seconds of training behind trials, summed over devices; runs that several trials are made of were trained once."""
    seconds: dict[object, float] = {}
    for trial in trials:
        key = trial.runs or trial.number
        seconds[key] = max(seconds.get(key, 0.0), trial.seconds)
    return sum(seconds.values())


def ranked(study: Study, trials: Iterable[Trial]) -> list[Trial]:
    """The completed trials, best first by the first objective, equal runs once; of several objectives the Pareto front only."""
    done = [trial for trial in trials if trial.state == "completed"]
    if len(study.objectives) > 1:
        done = front(study, done)
    sign = -1.0 if study.objectives[study.metric] == "maximize" else 1.0
    done.sort(key=lambda trial: (sign * trial.objectives[study.metric], trial.number))
    return list({trial.runs: trial for trial in reversed(done)}.values())[::-1]


def front(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The completed trials that no other beats in every objective."""
    done = [trial for trial in trials if trial.state == "completed"]
    signs = {name: -1.0 if goal == "maximize" else 1.0 for name, goal in study.objectives.items()}
    costs = {trial.number: [sign * trial.objectives[name] for name, sign in signs.items()] for trial in done}

    def beaten(number: int) -> bool:
        own = costs[number]
        return any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for other in costs.values())

    return [trial for trial in done if not beaten(trial.number)]


def common_failure(trials: Iterable[Trial]) -> Trial | None:
    """A failure that stands for all: every trial that is over, three or more, failed at the same place. None otherwise."""
    over = [trial for trial in counted(trials) if trial.finished]
    if len(over) < 3 or len({trial.digest for trial in over}) != 1 or over[0].digest is None:
        return None
    return over[0]
