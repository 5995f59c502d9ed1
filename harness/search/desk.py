"""A study -> trials given out and told of, to any number of workers.

Optuna proposes the values and keeps what came of them; who trains a trial is a lease in the results folder, like any run's, as
the journal knows no heartbeat. Trials are given out by one worker at a time (a lease too, held for milliseconds), so that the
target is met exactly and a trial that nobody trains any more is seen as such: it is told FAIL, and its values are tried again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.experiment.space import Choice, Values
from harness.search.model import Study
from harness.search.storage import open_storage, quiet
from harness.search.trials import DIGEST, ENDED, EPOCHS, FOLLOWS, REASON, SECONDS, Trial, counted, stuck, trial_of
from harness.store import lease as leases
from harness.store.lease import Lease, Standing, Watch
from harness.store.paths import StudyPaths

if TYPE_CHECKING:
    import optuna

POLL_S = 0.02


@dataclass(frozen=True)
class Ticket:
    """A trial to train: its values, and the lease under which it is this worker's."""

    number: int
    values: Values
    lease: Lease
    trial: optuna.Trial


@dataclass(frozen=True)
class Ending:
    """How a trial ended. `objectives` in the study's order, of a completed one."""

    state: str  # completed, pruned, diverged, infeasible, failed
    objectives: tuple[float, ...] = ()
    reason: str | None = None
    digest: str | None = None
    seconds: float = 0.0
    epochs: int = 0


class Desk:
    """Gives out the trials of a study. `url` as `harness.search.storage.address` gives it."""

    def __init__(self, paths: StudyPaths, study: Study, url: str | None = None) -> None:
        import optuna

        self.paths, self.study = paths, study
        with quiet():
            self.optuna = optuna.create_study(
                storage=open_storage(paths, url),
                study_name=_name(study),
                directions=list(study.objectives.values()),
                pruner=_pruner(study),
                load_if_exists=True,
            )

    def prepare(self, watch: Watch) -> None:
        """Before there are workers: what is known to be good is tried first."""
        with self._alone(watch), quiet():
            if not self.optuna.get_trials(deepcopy=False):
                for values in self.study.first:
                    self.optuna.enqueue_trial(dict(values))

    def trials(self) -> list[Trial]:
        """Every trial so far, in the order they were given out."""
        return [trial_of(self.study, frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def ask(self, watch: Watch) -> Ticket | None:
        """A trial to train; None where the target is reached, the budget spent, or every trial fails in the same way."""
        with self._alone(watch), quiet():
            self._give_back(watch)
            trials = self.trials()
            if self.is_over(trials):
                return None
            self.optuna.sampler = _sampler(self.study, len(trials))
            trial = self.optuna.ask()
            values = _suggested(self.study, trial)
            lease = leases.take(self.paths.trial(trial.number), watch)
            assert lease is not None, "numbers are given out once"
            return Ticket(trial.number, values, lease, trial)

    def is_over(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is to begin."""
        own = counted(trials)
        budget = self.study.budget_s
        spent = budget is not None and sum(trial.seconds for trial in own) >= budget
        return len(own) >= self.study.trials or spent or stuck(own) is not None

    def others(self, watch: Watch) -> list[Standing]:
        """What is known of whoever trains the trials that are running."""
        return [self._standing(trial, watch) for trial in self.trials() if trial.state == "running"]

    def tell(self, ticket: Ticket, ending: Ending) -> None:
        """Write down how the trial ended. Raises SupersededError where another one goes on with it by now."""
        from optuna.trial import TrialState

        ticket.lease.check()
        facts = {
            ENDED: ending.state,
            REASON: ending.reason,
            DIGEST: ending.digest,
            SECONDS: ending.seconds,
            EPOCHS: ending.epochs,
        }
        for name, value in facts.items():
            if value is not None:
                ticket.trial.set_user_attr(name, value)
        with quiet():
            if ending.state == "completed":
                self.optuna.tell(ticket.trial, ending.objectives, skip_if_finished=True)
            else:
                state = TrialState.FAIL if ending.state == "failed" else TrialState.PRUNED
                self.optuna.tell(ticket.trial, state=state, skip_if_finished=True)

    def retry(self, watch: Watch, trial: Trial) -> None:
        """Have the values of a failed trial tried again, once."""
        with self._alone(watch):
            if trial.number not in {other.follows for other in self.trials()}:
                self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})

    def _give_back(self, watch: Watch) -> None:
        """Trials that nobody trains any more: told FAIL, their values to be tried again. Alone."""
        from optuna.trial import TrialState

        trials = self.trials()
        followed = {trial.follows for trial in trials}
        for trial in trials:
            if trial.state != "running" or self._standing(trial, watch) is not Standing.GONE:
                continue
            # Taken, so that a holder who was only asleep sees that it is gone.
            taken = leases.take(self.paths.trial(trial.number), watch)
            if taken is None:
                continue
            with taken:
                if trial.values and trial.number not in followed:
                    self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})
                self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _standing(self, trial: Trial, watch: Watch) -> Standing:
        seen = leases.newest(self.paths.trial(trial.number))
        return Standing.GONE if seen is None else watch.standing(seen)

    @contextmanager
    def _alone(self, watch: Watch) -> Iterator[None]:
        """No other worker gives out trials meanwhile."""
        while (own := leases.take(self.paths.desk, watch)) is None:
            time.sleep(POLL_S)
        with own:
            yield


def look(paths: StudyPaths, study: Study, url: str | None = None) -> list[Trial] | None:
    """The trials as `Desk.trials` gives them, for somebody who only reads; None where there are none yet.

    The journal is read where there is one, whatever `url` is. Raises StoreError where the storage cannot be used.
    """
    import optuna

    if paths.journal.exists():
        url = None
    elif url is None:
        return None
    with quiet():
        try:
            stored = optuna.load_study(storage=open_storage(paths, url), study_name=_name(study))
        except KeyError:
            return None
        return [trial_of(study, frozen) for frozen in stored.get_trials(deepcopy=False)]


def elsewhere(paths: StudyPaths) -> bool:
    """Whether a search that has begun keeps its trials in a database."""
    return not paths.journal.exists() and paths.trials.is_dir()


def _name(study: Study) -> str:
    """What the storage calls a study: a database may hold those of several results folders."""
    return f"{study.name} {study.created}"


def _suggested(study: Study, trial: optuna.Trial) -> Values:
    values: dict[str, int | float | str] = {}
    for parameter in study.space:
        if not parameter.is_active(values):
            continue
        name = parameter.name
        if isinstance(parameter, Choice):
            values[name] = trial.suggest_categorical(name, list(parameter.options))
        elif parameter.integer:
            step = 1 if parameter.step is None else int(parameter.step)
            values[name] = trial.suggest_int(name, int(parameter.low), int(parameter.high), step=step, log=parameter.log)
        else:
            values[name] = trial.suggest_float(name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
    return values


def _sampler(study: Study, begun: int) -> optuna.samplers.BaseSampler:
    """Seeded by how many trials there are: one worker alone proposes the same however often it is stopped."""
    import optuna

    seed = int.from_bytes(hashlib.sha256(f"{study.name}/{begun}".encode()).digest()[:4])
    if study.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if study.sampler == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed)
    if study.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, group=any(parameter.when for parameter in study.space))


def _pruner(study: Study) -> optuna.pruners.BasePruner:
    import optuna

    pruners: Mapping[str, Any] = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    pruner: optuna.pruners.BasePruner = pruners[study.pruner]()
    return pruner
