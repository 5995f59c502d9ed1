"""Results folder -> its readable plans, read again when a file has changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.records import Store

Stamp = tuple[int, int]


class KnownPlans:
    """The readable plans of a results folder, cached until a file changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stamps: Sequence[tuple[str, Stamp | None]] | None = None
        self._plans: list[Plan] = []

    def load(self) -> list[Plan]:
        """Read the plans if a file has changed."""
        stamps = [(path.name, stamp_of(path)) for path in atomic.matches(self._store.paths.plans, "*.json")]
        if stamps != self._stamps:
            self._stamps, self._plans = stamps, self._store.load_plans()[0]
        return self._plans


def stamp_of(path: Path) -> Stamp | None:
    """Changes with the file, which is always replaced, never modified; None: there is none. Raises StoreError."""
    if (status := atomic.status(path)) is None:
        return None
    return status.st_mtime_ns, status.st_ino
