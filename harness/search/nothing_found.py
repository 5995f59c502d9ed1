"""A search that is over without a completed trial -> how its trials ended, with an example and its log for each way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.experiment.study import Study
from harness.search.trials import State, Trial, counted, is_over
from harness.store.records import Store


@dataclass(frozen=True)
class Ending:
    """The trials that ended in one state. `log`: of the run that ended the example; None: it trained nothing."""

    state: State
    count: int
    example: Trial
    log: Path | None


@dataclass(frozen=True)
class NothingFound:
    """The endings of all trials, the most frequent first; none of them completed."""

    study: Study
    endings: tuple[Ending, ...]

    @property
    def trials(self) -> int:
        """The number of trials."""
        return sum(ending.count for ending in self.endings)


def nothing_found(store: Store, study: Study, trials: Sequence[Trial]) -> NothingFound | None:
    """None: a trial completed, or the search is not over. Raises StoreError."""
    if not is_fruitless(study, trials):
        return None
    own = counted(trials)
    endings = []
    for state, count in Counter(trial.state for trial in own).most_common():
        example = next(trial for trial in own if trial.state == state)
        run = lost_run(store, example)
        endings.append(Ending(state, count, example, None if run is None else store.paths.run(run).log))
    return NothingFound(study, tuple(endings))


def is_fruitless(study: Study, trials: Sequence[Trial]) -> bool:
    """Whether the search is over and no trial completed: there is nothing to confirm."""
    own = counted(trials)
    settled = is_over(study, trials) and all(trial.finished for trial in own)
    return settled and not any(trial.state == "completed" for trial in own)


def lost_run(store: Store, trial: Trial) -> str | None:
    """The run with which the trial ended: that failed, diverged or was pruned; None: it has no runs."""
    records = store.records(trial.runs)
    return next((run for run in trial.runs if records[run].state != "completed"), trial.runs[0] if trial.runs else None)
