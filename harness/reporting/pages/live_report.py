"""Keeps a report current during training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.reporting.pages import write_report

EVERY_S = 30.0
SHARE = 20  # at most 1/SHARE of the time is spent on reports


class LiveReport:
    """The report of a plan in training. Errors are passed to `warn` and never stop training."""

    def __init__(self, name: str, results: str | Path, finished: int, warn: Callable[[str], None]) -> None:
        self.name, self.results, self.warn = name, results, warn
        self.finished = finished  # runs at the last write
        self.next_write = time.monotonic() + EVERY_S

    def update(self, finished: int) -> None:
        """Rewrite the report if more runs have `finished` and the interval has passed."""
        began = time.monotonic()
        if finished == self.finished or began < self.next_write:
            return
        try:
            write_report(self.name, self.results)
        except Exception as error:  # a report must not stop training
            self.warn(f"the report is not up to date: {error if isinstance(error, HarnessError) else repr(error)}")
        now = time.monotonic()
        self.finished, self.next_write = finished, now + max(EVERY_S, SHARE * (now - began))
