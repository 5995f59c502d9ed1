"""Gives out the trials of a study to any number of workers and records their outcomes.

Optuna proposes the values and stores the outcomes. A worker holds a trial by a lease in the results folder, as for a run, because
Optuna's journal has no heartbeat. One worker at a time, under another lease held for milliseconds, asks for a trial: so the
target is met exactly, and a trial whose worker has died is told FAIL and its values are queued again. Whoever waits for other
workers looks without that lease, and reads the trials again only when the files have changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common.optional_packages import load
from harness.errors import InputError, StoreError
from harness.experiment.space import Values
from harness.experiment.study import Study
from harness.search.description import describe
from harness.search.holders import TrialHolders
from harness.search.samplers import pruner, sampler, suggest
from harness.search.storage import close_storage, open_storage, refuse_other_storage, using_storage, without_credentials
from harness.search.stored_trials import stored_name
from harness.search.trials import (
    DIGEST,
    ENDED,
    EPOCHS,
    FOLLOWS,
    REASON,
    RUNS,
    SECONDS,
    SEEDS,
    VARIANT,
    Trial,
    is_over,
    trial_label,
    trial_of,
)
from harness.store import atomic
from harness.store import lease as leases
from harness.store.holder import Holder
from harness.store.lease import Lease, Liveness, SupersededError, Timing, Watch
from harness.store.paths import StudyPaths
from harness.store.seal import read_sealed

if TYPE_CHECKING:
    import optuna


Stamp = tuple[int, int, int] | None  # inode, size and time of a file; None: it does not exist

POLL_S = 0.02


@dataclass(frozen=True)
class TrialLease:
    """A trial to train, and the lease by which this worker holds it."""

    number: int
    values: Values
    lease: Lease
    trial: optuna.Trial


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a trial. `objectives`: of a completed one, in the study's order."""

    state: str  # completed, pruned, diverged, infeasible, failed
    objectives: tuple[float, ...] = ()
    reason: str | None = None
    digest: str | None = None
    seconds: float = 0.0
    epochs: int = 0


class TrialBroker:
    """Gives out the trials of a study, stored at `url` (see `harness.search.storage.storage_url`).

    `study` is re-read from disk whenever the storage is used. All methods raise StoreError if the storage cannot be used or the
    search was replaced meanwhile; those that take a lease raise SupersededError if another trial has taken over. The constructor
    raises InputError if the search keeps its trials in another storage, PackageError without Optuna.
    """

    def __init__(self, paths: StudyPaths, study: Study, url: str | None = None, watch: Watch | None = None) -> None:
        load("optuna", "searches")
        import optuna

        watch = watch or Watch(Timing(), Holder.here())
        self.paths, self.study, self._url = paths, study, url
        self.holders = TrialHolders(paths, watch.here.machine)
        self.running: Mapping[int, Liveness] = {}  # the running trials when `ask` last looked, and their workers
        self._latest: tuple[tuple[Stamp, Stamp], list[Trial]] | None = None
        # If several processes create the same tables or study at once, a database rejects all but one.
        with exclusive(paths, watch), self._using_storage():
            refuse_other_storage(paths, url)
            self._storage = open_storage(paths, url)
            self.optuna = optuna.create_study(
                storage=self._storage,
                study_name=stored_name(study),
                directions=list(study.objectives.values()),
                pruner=pruner(study),
                load_if_exists=True,
            )
            describe(self.optuna, study)
            atomic.make_folder(paths.trials)  # without a journal this folder means that the trials are in a database

    def close(self) -> None:
        """Close the storage."""
        close_storage(self._storage)

    def prepare(self, watch: Watch) -> None:
        """Queue the study's first values, such as the base's, unless queued already.

        Raises InputError if the search was started in another storage.
        """
        with exclusive(self.paths, watch), self._using_storage():
            trials = self.trials()
            if all(trial.state == "waiting" for trial in trials) and atomic.names(self.paths.trials):
                where = self.paths.journal if self._url is None else without_credentials(self._url)
                advice = "use the storage that it was started with, or --replan"
                raise InputError(f"{self.study.name}: already started, but {where} has none of its trials; {advice}")
            known = [trial.values for trial in trials]
            for values in self.study.first:
                if values not in known:
                    self.optuna.enqueue_trial(dict(values))

    def trials(self) -> list[Trial]:
        """All trials so far, in the order in which they were given out."""
        with self._using_storage():
            return [trial_of(self.study, frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def latest(self) -> list[Trial]:
        """`trials` as of the last change of the journal that this machine knows of, which a shared folder may show late."""
        if self._url is not None:
            return self.trials()
        stamp = _stamp(self.paths.spec), _stamp(self.paths.journal)  # before they are read: a later change is seen next time
        if self._latest is None or self._latest[0] != stamp:
            self._latest = stamp, self.trials()
        return self._latest[1]

    def ask(self, watch: Watch) -> TrialLease | None:
        """A trial to train; None: the target is met, the budget is spent, or all trials fail with the same error."""
        while not self._nothing_to_do(watch):
            with exclusive(self.paths, watch) as own, self._using_storage():
                try:
                    trials = self._give_back(watch, own)
                    if self.is_over(trials):
                        return None
                    self.optuna.sampler = sampler(self.study, trials)
                    trial = self.optuna.ask()
                    announce = partial(self.holders.announce, trial.number)
                    lease = leases.take(self.paths.trial(trial.number), watch, announce=announce)
                    if lease is None:  # this process slept, and another one has given the trial back
                        continue
                    values = suggest(self.study, trial)
                    # If this process slept and others gave out trials meanwhile, its trial is one too many: release it, and the
                    # next `ask` gives it back. Otherwise all later callers see this trial, so the target is met exactly.
                    if leases.highest(own.folder) == own.number:
                        self.holders.took(trial.number)
                        return TrialLease(trial.number, values, lease, trial)
                    with suppress(FileNotFoundError):  # given back already
                        lease.beat("free")
                except SupersededError:
                    continue
        return None

    def is_over(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is to start."""
        return is_over(self.study, trials)

    def liveness_of_running(self, watch: Watch) -> list[Liveness]:
        """For each running trial, whether its worker is alive."""
        seen = [leases.newest(self.paths.trial(trial.number)) for trial in self.trials() if trial.state == "running"]
        return [Liveness.GONE if each is None else watch.liveness(each) for each in seen]

    def record_runs(self, taken: TrialLease, runs: Sequence[str]) -> None:
        """Record the ids of the trial's runs."""
        with self._using_storage():
            taken.trial.set_user_attr(RUNS, list(runs))
            taken.trial.set_user_attr(VARIANT, trial_label(taken.number))
            taken.trial.set_user_attr(SEEDS, list(self.study.trial_seeds))

    def record_bound(self, taken: TrialLease, name: str, excess: float) -> None:
        """Record by how much the trial violates a bound, for TPE. 0 or less: not violated."""
        if self.study.sampler != "cmaes":  # does not support constraints and warns each time
            with self._using_storage():
                taken.trial.set_constraint(name, excess)

    def record_epochs(self, taken: TrialLease, values: Mapping[int, float]) -> None:
        """Report new epochs (from 1) to the pruner."""
        with self._using_storage():
            for epoch, value in values.items():
                taken.trial.report(value, epoch)

    def should_prune(self, taken: TrialLease) -> bool:
        """Whether the pruner would stop the trial now."""
        with self._using_storage():
            return bool(taken.trial.should_prune())

    def tell(self, taken: TrialLease, outcome: TrialOutcome) -> None:
        """Record the outcome."""
        from optuna.trial import TrialState

        taken.lease.check()
        facts = {
            REASON: outcome.reason,
            DIGEST: outcome.digest,
            SECONDS: outcome.seconds,
            EPOCHS: outcome.epochs,
            ENDED: outcome.state,
        }
        with self._using_storage():
            for name, value in facts.items():
                if value is not None:
                    taken.trial.set_user_attr(name, value)
            if outcome.state == "completed":
                self.optuna.tell(taken.trial, outcome.objectives, skip_if_finished=True)
            else:
                state = TrialState.FAIL if outcome.state == "failed" else TrialState.PRUNED
                self.optuna.tell(taken.trial, state=state, skip_if_finished=True)

    def retry(self, watch: Watch, trial: Trial) -> None:
        """Queue the values of a failed trial again, once."""
        with exclusive(self.paths, watch), self._using_storage():
            if trial.number not in {other.follows for other in self.trials()}:
                self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})

    @contextmanager
    def _using_storage(self) -> Iterator[None]:
        # The folder of this name, with leases of the same numbers, may belong to a new search by now.
        self.study = check_current(self.paths, self.study)
        with using_storage(self._url):
            yield

    def _give_back(self, watch: Watch, own: Lease) -> list[Trial]:
        """Tell FAIL for trials whose worker is gone and queue their values again, while `own` is held; returns all trials."""
        from optuna.trial import TrialState

        trials = self.trials()
        gone = self._gone(trials, watch)
        for trial in gone:
            # Take the lease, so that a worker that only slept notices that it has lost the trial.
            lease = leases.take(self.paths.trial(trial.number), watch)
            if lease is not None:
                with lease:
                    own.check()
                    # If it has finished since it was read, its outcome remains.
                    self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        trials = self.trials() if gone else trials
        left = _not_continued(trials)
        for trial in left:
            own.check()
            self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})
        return self.trials() if left else trials

    def _nothing_to_do(self, watch: Watch) -> bool:
        """Whether no trial is to start and none to be given back, as far as this process can see without the study's lease."""
        trials = self.latest()
        return not self._gone(trials, watch) and not _not_continued(trials) and self.is_over(trials)

    def _gone(self, trials: Sequence[Trial], watch: Watch) -> list[Trial]:
        """The running trials whose worker is gone."""
        self.running = self.holders.liveness((trial.number for trial in trials if trial.state == "running"), watch)
        return [trial for trial in trials if self.running.get(trial.number) is Liveness.GONE]


def _not_continued(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that were told FAIL because their worker was gone, and whose values are not queued: who did it was killed."""
    followed = {trial.follows for trial in trials}
    return [trial for trial in trials if trial.state == "interrupted" and trial.values and trial.number not in followed]


def _stamp(path: Path) -> Stamp:
    status = atomic.status(path)
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


@contextmanager
def exclusive(paths: StudyPaths, watch: Watch) -> Iterator[Lease]:
    """Lock the study: no other process gives out trials, starts the confirmation or archives it. Raises StoreError."""
    while (own := leases.take(paths.sampler_lease, watch)) is None:
        time.sleep(POLL_S)
    with own:
        yield own


def check_current(paths: StudyPaths, study: Study) -> Study:
    """The study as stored now: target, budget and confirmation may change at any time.

    Raises StoreError if a new search has replaced it.
    """
    try:
        found = read_sealed(paths.spec, Study)
    except FileNotFoundError:
        found = None
    if found is None or found.created != study.created:
        raise StoreError(f"{study.name}: was replaced (--replan) meanwhile; start this command again to work on the new search")
    return found
