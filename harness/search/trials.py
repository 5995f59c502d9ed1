"""Optuna's FrozenTrial -> Trial. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.experiment.space import Values
from harness.experiment.study import Study, known

if TYPE_CHECKING:
    import optuna

State = Literal["completed", "pruned", "diverged", "infeasible", "failed", "running", "interrupted", "waiting"]

# Names of user attributes in the storage.
RUNS, ENDED, REASON, DIGEST, SECONDS, EPOCHS, FOLLOWS = "runs", "ended", "reason", "digest", "seconds", "epochs", "follows"
VARIANT, SEEDS = "variant", "seeds"  # for people who look at the storage; nothing reads them

# What a trial in a state of Optuna may have been told; of a failed one anything, as its worker may have died while telling it.
ENDINGS = {"COMPLETE": ("completed",), "PRUNED": ("pruned", "diverged", "infeasible")}

UNMEASURED = "unmeasured"  # prefix of the digest if the runs completed without measuring an objective
NEVER_MEASURED = "a retry would not measure it either; choose another metric, or let the task measure it, and use --replan"


@dataclass(frozen=True)
class Trial:
    """One setting. `state` says which fields are set.

    completed: all runs completed; pruned: stopped early by the pruner; diverged: a metric was not finite; infeasible: violates a
    bound or the task's validation, never trained; failed: a run failed; interrupted: its worker died, another trial continues
    with its values; waiting: its values are queued.
    """

    number: int
    state: State
    values: Values  # by parameter
    objectives: Mapping[str, float]  # completed: by metric, means over the seeds
    runs: tuple[str, ...] = ()  # their ids, seed by seed
    reason: str | None = None  # pruned, diverged, infeasible, failed
    digest: str | None = None  # failed: equal for failures at the same place in the code
    follows: int | None = None  # the trial whose values it continues with
    curve: Mapping[int, float] | None = None  # epoch -> the first objective, of the first seed; None: not reported
    seconds: float = 0.0  # spent training
    epochs: int = 0  # trained
    began: str | None = None  # ISO 8601, local time without a zone
    ended: str | None = None

    @property
    def finished(self) -> bool:
        """Whether its outcome is final."""
        return self.state not in ("running", "waiting")

    @property
    def retriable(self) -> bool:
        """Whether it failed because a run failed, so that `--retry failed` may help."""
        return self.state == "failed" and not (self.digest or "").startswith(UNMEASURED)


def trial_label(number: int) -> str:
    """The name of a trial as a variant in a plan."""
    return f"trial {number}"


def trial_of(study: Study, frozen: optuna.trial.FrozenTrial) -> Trial:
    """Read a trial from the storage. Raises ValueError if it contradicts itself."""
    attributes: Mapping[str, Any] = frozen.user_attrs
    told, expected = attributes.get(ENDED), ENDINGS.get(frozen.state.name)
    if expected is not None and told is not None and told not in expected:
        raise ValueError(f"trial {frozen.number} is {frozen.state.name}, but was told {told!r}")
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
    """The trials that count towards the target: started, and not continued by another trial."""
    every = list(trials)
    followed = {trial.follows for trial in every}
    return [trial for trial in every if trial.state not in ("interrupted", "waiting") and trial.number not in followed]


def is_over(study: Study, trials: Iterable[Trial]) -> bool:
    """Whether no further trial is to start: the target is met, the budget is spent, or all trials fail with the same error."""
    own = counted(trials)
    spent = study.budget_s is not None and trained_s(own) >= study.budget_s
    return len(own) >= study.trials or spent or common_failure(own) is not None


def trained_s(trials: Iterable[Trial]) -> float:
    """Seconds of training, summed over devices; runs shared by several trials count once."""
    seconds: dict[object, float] = {}
    for trial in trials:
        key = trial.runs or trial.number
        seconds[key] = max(seconds.get(key, 0.0), trial.seconds)
    return sum(seconds.values())


def ranked(study: Study, trials: Iterable[Trial]) -> list[Trial]:
    """Completed trials, best first by the first objective, equal runs once; with several objectives only the Pareto front."""
    done = [trial for trial in trials if trial.state == "completed"]
    if len(study.objectives) > 1:
        done = front(study, done)
    sign = -1.0 if study.objectives[study.metric] == "maximize" else 1.0
    done.sort(key=lambda trial: (sign * trial.objectives[study.metric], trial.number))
    return list({trial.runs: trial for trial in reversed(done)}.values())[::-1]


def front(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The Pareto front: completed trials that no other trial dominates."""
    done = [trial for trial in trials if trial.state == "completed"]
    signs = {name: -1.0 if goal == "maximize" else 1.0 for name, goal in study.objectives.items()}
    costs = {trial.number: [sign * trial.objectives[name] for name, sign in signs.items()] for trial in done}

    def dominated(number: int) -> bool:
        own = costs[number]
        return any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for other in costs.values())

    return [trial for trial in done if not dominated(trial.number)]


def common_failure(trials: Iterable[Trial]) -> Trial | None:
    """An example if three or more trials have finished and all failed at the same place, else None."""
    done = [trial for trial in counted(trials) if trial.finished]
    if len(done) < 3 or len({trial.digest for trial in done}) != 1 or done[0].digest is None:
        return None
    return done[0]
