"""A study -> trials given out and told of, to any number of workers.

Optuna proposes the values and keeps what came of them; who trains a trial is a lease in the results folder, like any run's, as
the journal knows no heartbeat. Trials are given out by one worker at a time (a lease too, held for milliseconds), so that the
target is met exactly and a trial that nobody trains any more is seen as such: it is told FAIL, and its values are tried again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import InputError, StoreError
from harness.experiment.space import Values
from harness.experiment.study import Study
from harness.search.samplers import pruner, sampler, suggested
from harness.search.storage import close_storage, open_storage, refuse_other_storage, shown, talking
from harness.search.trials import (
    DIGEST,
    ENDED,
    EPOCHS,
    FOLLOWS,
    REASON,
    RUNS,
    SECONDS,
    Trial,
    counted,
    stuck,
    trained_s,
    trial_of,
)
from harness.store import atomic
from harness.store import lease as leases
from harness.store.lease import Holder, Lease, Liveness, SupersededError, Timing, Watch
from harness.store.paths import StudyPaths

if TYPE_CHECKING:
    import optuna


POLL_S = 0.02


@dataclass(frozen=True)
class TrialLease:
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


class TrialBroker:
    """Gives out the trials of a study. `url` as `harness.search.storage.address` gives it.

    `study` is what was written down when the storage was last used.
    Everything raises StoreError where the storage cannot be used, and where the search was begun anew meanwhile; what is handed
    a lease raises SupersededError where another trial goes on with its values by now. To open one raises InputError where the
    search keeps its trials elsewhere.
    """

    def __init__(self, paths: StudyPaths, study: Study, url: str | None = None, watch: Watch | None = None) -> None:
        import optuna

        self.paths, self.study, self._url = paths, study, url
        # Of several that make the same tables, or the same study, at once, a database refuses all but one.
        with alone(paths, watch or Watch(Timing(), Holder.here())), self._talking():
            refuse_other_storage(paths, url)
            self._storage = open_storage(paths, url)
            self.optuna = optuna.create_study(
                storage=self._storage,
                study_name=_name(study),
                directions=list(study.objectives.values()),
                pruner=pruner(study),
                load_if_exists=True,
            )
            atomic.make_folder(paths.trials)  # without a journal it says that the trials are in a database

    def close(self) -> None:
        """Let go of the storage."""
        close_storage(self._storage)

    def prepare(self, watch: Watch) -> None:
        """Before trials are given out: what is known to be good is tried first. Another time it does nothing.

        Raises InputError where the search has begun in another storage.
        """
        with alone(self.paths, watch), self._talking():
            trials = self.trials()
            if all(trial.state == "waiting" for trial in trials) and any(self.paths.trials.iterdir()):
                where = self.paths.journal if self._url is None else shown(self._url)
                message = "holds none of its trials; allowed: the storage that it began in, or --replan"
                raise InputError(f"{self.study.name}: has begun, and {where} {message}")
            there = [trial.values for trial in trials]
            for values in self.study.first:
                if values not in there:
                    self.optuna.enqueue_trial(dict(values))

    def trials(self) -> list[Trial]:
        """Every trial so far, in the order they were given out."""
        with self._talking():
            return [trial_of(self.study, frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def ask(self, watch: Watch) -> TrialLease | None:
        """A trial to train; None where the target is reached, the budget spent, or every trial fails in the same way."""
        while True:
            with alone(self.paths, watch) as own, self._talking():
                try:
                    trials = self._give_back(watch, own)
                    if self.is_over(trials):
                        return None
                    self.optuna.sampler = sampler(self.study, trials)
                    trial = self.optuna.ask()
                    lease = leases.take(self.paths.trial(trial.number), watch)
                    if lease is None:  # who came next while this one slept has given it back
                        continue
                    values = suggested(self.study, trial)
                    # Who slept here for so long that others gave out trials meanwhile has given out one too many: whoever asks
                    # next takes it back. Who is alone until now is seen by everyone later, so that the target is met exactly.
                    if leases.highest(own.folder) == own.number:
                        return TrialLease(trial.number, values, lease, trial)
                    with suppress(FileNotFoundError):  # they have taken it back already
                        lease.beat("free")
                except SupersededError:
                    continue

    def is_over(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is to begin."""
        own = counted(trials)
        budget = self.study.budget_s
        spent = budget is not None and trained_s(own) >= budget
        return len(own) >= self.study.trials or spent or stuck(own) is not None

    def others(self, watch: Watch) -> list[Liveness]:
        """What is known of whoever trains the trials that are running."""
        return [self._liveness(trial, watch) for trial in self.trials() if trial.state == "running"]

    def note_runs(self, taken: TrialLease, runs: Sequence[str]) -> None:
        """Write down of which runs the trial is made."""
        with self._talking():
            taken.trial.set_user_attr(RUNS, list(runs))

    def note_bound(self, taken: TrialLease, name: str, excess: float) -> None:
        """Write down how far the trial is over a bound: TPE learns from it. 0 or less: within."""
        if self.study.sampler != "cmaes":  # which knows of no bounds, and says so each time
            with self._talking():
                taken.trial.set_constraint(name, excess)

    def note_epochs(self, taken: TrialLease, values: Mapping[int, float]) -> None:
        """Tell the pruner of epochs (from 1) that it does not know yet."""
        with self._talking():
            for epoch, value in values.items():
                taken.trial.report(value, epoch)

    def prunes(self, taken: TrialLease) -> bool:
        """Whether the pruner would leave the trial there."""
        with self._talking():
            return bool(taken.trial.should_prune())

    def tell(self, taken: TrialLease, ending: Ending) -> None:
        """Write down how the trial ended."""
        from optuna.trial import TrialState

        taken.lease.check()
        facts = {
            REASON: ending.reason,
            DIGEST: ending.digest,
            SECONDS: ending.seconds,
            EPOCHS: ending.epochs,
            ENDED: ending.state,
        }
        with self._talking():
            for name, value in facts.items():
                if value is not None:
                    taken.trial.set_user_attr(name, value)
            if ending.state == "completed":
                self.optuna.tell(taken.trial, ending.objectives, skip_if_finished=True)
            else:
                state = TrialState.FAIL if ending.state == "failed" else TrialState.PRUNED
                self.optuna.tell(taken.trial, state=state, skip_if_finished=True)

    def retry(self, watch: Watch, trial: Trial) -> None:
        """Have the values of a failed trial tried again, once."""
        with alone(self.paths, watch), self._talking():
            if trial.number not in {other.follows for other in self.trials()}:
                self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})

    @contextmanager
    def _talking(self) -> Iterator[None]:
        # A folder of the same name, with leases of the same numbers, may be another search's by now.
        self.study = check_current(self.paths, self.study)
        with talking(self._url):
            yield

    def _give_back(self, watch: Watch, own: Lease) -> list[Trial]:
        """Trials that nobody trains any more: told FAIL, their values to be tried again. Alone, by the lease `own`.

        All trials as they are then.
        """
        from optuna.trial import TrialState

        trials = self.trials()
        gone = [trial for trial in trials if trial.state == "running" and self._liveness(trial, watch) is Liveness.GONE]
        for trial in gone:
            # Taken, so that a holder who was only asleep sees that it is gone.
            lease = leases.take(self.paths.trial(trial.number), watch)
            if lease is not None:
                with lease:
                    own.check()
                    # It may have ended since it was read: then that stands.
                    self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        trials = self.trials() if gone else trials
        followed = {trial.follows for trial in trials}
        # Also of one that was killed right here, between the two.
        left = [trial for trial in trials if trial.state == "interrupted" and trial.values and trial.number not in followed]
        for trial in left:
            own.check()
            self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})
        return self.trials() if left else trials

    def _liveness(self, trial: Trial, watch: Watch) -> Liveness:
        seen = leases.newest(self.paths.trial(trial.number))
        return Liveness.GONE if seen is None else watch.liveness(seen)


@contextmanager
def alone(paths: StudyPaths, watch: Watch) -> Iterator[Lease]:
    """No other worker gives out trials of the study, begins its confirmation, or puts it away meanwhile. Raises StoreError."""
    while (own := leases.take(paths.sampler_lease, watch)) is None:
        time.sleep(POLL_S)
    with own:
        yield own


def check_current(paths: StudyPaths, study: Study) -> Study:
    """The search as it is written down now: its target, its budget and its confirmation may change at any time.

    Raises StoreError where the folder holds another search by now: it was begun anew while this process slept.
    """
    try:
        found = atomic.read_json(paths.spec, Study)
    except FileNotFoundError:
        found = None
    if found is None or found.created != study.created:
        raise StoreError(f"{study.name}: was begun anew (--replan) meanwhile; start this again to take part in the new search")
    return found


def look(paths: StudyPaths, study: Study, url: str | None = None) -> list[Trial] | None:
    """The trials as `TrialBroker.trials` gives them, for somebody who only reads; None where there are none yet.

    The journal is read where there is one, whatever `url` is. Raises StoreError where the storage cannot be used.
    """
    import optuna

    if paths.journal.exists():
        url = None
    elif url is None:
        return None
    storage = open_storage(paths, url)
    try:
        with talking(url):
            stored = optuna.load_study(storage=storage, study_name=_name(study))
            return [trial_of(study, frozen) for frozen in stored.get_trials(deepcopy=False)]
    except KeyError:
        return None
    finally:
        close_storage(storage)


def _name(study: Study) -> str:
    """What the storage calls a study: a database may hold those of several results folders."""
    return f"{study.name} {study.created}"
