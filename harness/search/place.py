"""A search's folder -> who may write there: one at a time, for the search that it holds, where that one keeps its trials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import InputError, StoreError
from harness.experiment.study import Study
from harness.search.storage import VARIABLE
from harness.store import atomic
from harness.store import lease as leases
from harness.store.lease import Lease, Seen, Watch
from harness.store.paths import StudyPaths

POLL_S = 0.02


@contextmanager
def alone(paths: StudyPaths, watch: Watch) -> Iterator[Lease]:
    """No other worker gives out trials of the study, begins its confirmation, or puts it away meanwhile. Raises StoreError."""
    while (own := leases.take(paths.desk, watch)) is None:
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


def in_training(paths: StudyPaths, watch: Watch) -> tuple[str, Seen] | None:
    """A trial, by its number, that somebody trains, and who that is; None where nobody trains any."""
    for folder in sorted(paths.trials.glob("*")):
        seen = leases.newest(folder)
        if seen is not None and not watch.seems_gone(seen):  # who wakes up later finds another search there
            return folder.name, seen
    return None


def elsewhere(paths: StudyPaths) -> bool:
    """Whether a search that has begun keeps its trials in a database."""
    return not paths.journal.exists() and paths.trials.is_dir()


def refuse_other_storage(paths: StudyPaths, url: str | None) -> None:
    """Raises InputError where a search that has begun keeps its trials elsewhere than at `url` (None: the journal)."""
    name = paths.folder.name
    if url is None and elsewhere(paths):
        raise InputError(f"{name}: its trials are in a database; name it with --storage or ${VARIABLE}")
    if url is not None and paths.journal.exists():
        allowed = f"allowed: --storage journal (or no --storage, and ${VARIABLE} unset)"
        raise InputError(f"{name}: its trials are in {paths.journal}; {allowed}")
