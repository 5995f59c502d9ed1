"""Rows and results -> where else they are shown. Training never waits for a tracker and never fails with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from harness.errors import InputError
from harness.store.records import Result, Spec


class Tracker(Protocol):
    """Mirrors one run at a time; none of its methods raises."""

    def start(self, run_id: str, spec: Spec, rows: int) -> None:
        """A run begins, or goes on after `rows` rows."""

    def log(self, row: Mapping[str, Any]) -> None:
        """An epoch ended."""

    def finish(self, result: Result | None) -> None:
        """The run ended, or was interrupted: None."""


class NoTracker:
    """Shows nothing anywhere."""

    def start(self, run_id: str, spec: Spec, rows: int) -> None:
        """Nothing to do."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Nothing to do."""

    def finish(self, result: Result | None) -> None:
        """Nothing to do."""


TRACKERS: Mapping[str, Callable[[], Tracker]] = {"auto": NoTracker, "none": NoTracker}


def make_tracker(mode: str) -> Tracker:
    """The tracker for `--track mode`. Raises InputError naming the choices."""
    if mode not in TRACKERS:
        raise InputError(f"--track: {mode!r} is no tracker; allowed: {', '.join(TRACKERS)}")
    return TRACKERS[mode]()
