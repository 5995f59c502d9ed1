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
from harness.search.storage import close_storage, open_storage, talking
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
from harness.store import lease as leases
from harness.store.lease import Lease, Standing, SupersededError, Watch
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
    """Gives out the trials of a study. `url` as `harness.search.storage.address` gives it.

    Every method raises StoreError where the storage cannot be used, and those that are handed a ticket raise SupersededError
    where another trial goes on with its values by now.
    """

    def __init__(self, paths: StudyPaths, study: Study, url: str | None = None) -> None:
        import optuna

        self.paths, self.study, self._url = paths, study, url
        self._storage = open_storage(paths, url)
        with talking(url):
            self.optuna = optuna.create_study(
                storage=self._storage,
                study_name=_name(study),
                directions=list(study.objectives.values()),
                pruner=_pruner(study),
                load_if_exists=True,
            )

    def close(self) -> None:
        """Let go of the storage."""
        close_storage(self._storage)

    def prepare(self, watch: Watch) -> None:
        """Before there are workers: what is known to be good is tried first."""
        with alone(self.paths, watch), talking(self._url):
            there = [trial.values for trial in self.trials()]
            for values in self.study.first:
                if values not in there:
                    self.optuna.enqueue_trial(dict(values))

    def trials(self) -> list[Trial]:
        """Every trial so far, in the order they were given out."""
        with talking(self._url):
            return [trial_of(self.study, frozen) for frozen in self.optuna.get_trials(deepcopy=False)]

    def ask(self, watch: Watch) -> Ticket | None:
        """A trial to train; None where the target is reached, the budget spent, or every trial fails in the same way."""
        while True:
            with alone(self.paths, watch) as own, talking(self._url):
                try:
                    trials = self._give_back(watch, own)
                    if self.is_over(trials):
                        return None
                    self.optuna.sampler = _sampler(self.study, _proposed(trials))
                    trial = self.optuna.ask()
                    lease = leases.take(self.paths.trial(trial.number), watch)
                    if lease is None:  # who came next while this one slept has given it back
                        continue
                    values = _suggested(self.study, trial)
                    # Who slept here for so long that others gave out trials meanwhile has given out one too many: whoever asks
                    # next takes it back. Who is alone until now is seen by everyone later, so that the target is met exactly.
                    if leases.highest(own.folder) == own.number:
                        return Ticket(trial.number, values, lease, trial)
                    lease.beat("free")
                except SupersededError:
                    continue

    def is_over(self, trials: Sequence[Trial]) -> bool:
        """Whether no further trial is to begin."""
        own = counted(trials)
        budget = self.study.budget_s
        spent = budget is not None and trained_s(own) >= budget
        return len(own) >= self.study.trials or spent or stuck(own) is not None

    def others(self, watch: Watch) -> list[Standing]:
        """What is known of whoever trains the trials that are running."""
        return [self._standing(trial, watch) for trial in self.trials() if trial.state == "running"]

    def note_runs(self, ticket: Ticket, runs: Sequence[str]) -> None:
        """Write down of which runs the trial is made."""
        with talking(self._url):
            ticket.trial.set_user_attr(RUNS, list(runs))

    def note_bound(self, ticket: Ticket, name: str, excess: float) -> None:
        """Write down how far the trial is over a bound: the sampler learns from it. 0 or less: within."""
        if self.study.sampler != "cmaes":  # which knows of no bounds, and says so each time
            with talking(self._url):
                ticket.trial.set_constraint(name, excess)

    def note_epochs(self, ticket: Ticket, values: Mapping[int, float]) -> None:
        """Tell the pruner of epochs (from 1) that it does not know yet."""
        with talking(self._url):
            for epoch, value in values.items():
                ticket.trial.report(value, epoch)

    def prunes(self, ticket: Ticket) -> bool:
        """Whether the pruner would leave the trial there."""
        with talking(self._url):
            return bool(ticket.trial.should_prune())

    def tell(self, ticket: Ticket, ending: Ending) -> None:
        """Write down how the trial ended."""
        from optuna.trial import TrialState

        ticket.lease.check()
        facts = {
            REASON: ending.reason,
            DIGEST: ending.digest,
            SECONDS: ending.seconds,
            EPOCHS: ending.epochs,
            ENDED: ending.state,
        }
        with talking(self._url):
            for name, value in facts.items():
                if value is not None:
                    ticket.trial.set_user_attr(name, value)
            if ending.state == "completed":
                self.optuna.tell(ticket.trial, ending.objectives, skip_if_finished=True)
            else:
                state = TrialState.FAIL if ending.state == "failed" else TrialState.PRUNED
                self.optuna.tell(ticket.trial, state=state, skip_if_finished=True)

    def retry(self, watch: Watch, trial: Trial) -> None:
        """Have the values of a failed trial tried again, once."""
        with alone(self.paths, watch), talking(self._url):
            if trial.number not in {other.follows for other in self.trials()}:
                self.optuna.enqueue_trial(dict(trial.values), user_attrs={FOLLOWS: trial.number})

    def _give_back(self, watch: Watch, own: Lease) -> list[Trial]:
        """Trials that nobody trains any more: told FAIL, their values to be tried again. Alone, by the lease `own`.

        All trials as they are then.
        """
        from optuna.trial import TrialState

        trials = self.trials()
        gone = [trial for trial in trials if trial.state == "running" and self._standing(trial, watch) is Standing.GONE]
        for trial in gone:
            # Taken, so that a holder who was only asleep sees that it is gone.
            taken = leases.take(self.paths.trial(trial.number), watch)
            if taken is not None:
                with taken:
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

    def _standing(self, trial: Trial, watch: Watch) -> Standing:
        seen = leases.newest(self.paths.trial(trial.number))
        return Standing.GONE if seen is None else watch.standing(seen)


@contextmanager
def alone(paths: StudyPaths, watch: Watch) -> Iterator[Lease]:
    """No other worker gives out trials of the study, or begins its confirmation, meanwhile. Raises StoreError."""
    while (own := leases.take(paths.desk, watch)) is None:
        time.sleep(POLL_S)
    with own:
        yield own


def look(paths: StudyPaths, study: Study, url: str | None = None) -> list[Trial] | None:
    """The trials as `Desk.trials` gives them, for somebody who only reads; None where there are none yet.

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


def _proposed(trials: Sequence[Trial]) -> int:
    """How many settings there are; a trial that goes on with another's values, or was cut short before its own, brings none."""
    return sum(trial.follows is None and bool(trial.values) for trial in trials)


def _sampler(study: Study, begun: int) -> optuna.samplers.BaseSampler:
    """Seeded by how many settings there are, which never falls: a worker alone proposes the same however often it is stopped."""
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
        "median": lambda: optuna.pruners.MedianPruner(n_warmup_steps=study.prune_after),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=study.prune_after),
    }
    pruner: optuna.pruners.BasePruner = pruners[study.pruner]()
    return pruner
