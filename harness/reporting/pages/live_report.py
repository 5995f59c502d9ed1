"""A report that is kept current while runs are trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.reporting.pages import write_report

EVERY_S = 30.0
SHARE = 20  # one part in so many of the time is spent on reports, at most


class LiveReport:
    """The report of a plan that is being trained. Trouble with it is told by `tell`, and ends nothing."""

    def __init__(self, name: str, results: str | Path, ended: int, tell: Callable[[str], None]) -> None:
        self.name, self.results, self.tell = name, results, tell
        self.ended = ended  # runs, when it was last written
        self.due = time.monotonic() + EVERY_S

    def update(self, ended: int) -> None:
        """Write it again if more runs have `ended` by now, and that is long enough ago."""
        began = time.monotonic()
        if ended == self.ended or began < self.due:
            return
        try:
            write_report(self.name, self.results)
        except Exception as error:  # whatever it is: a page is no reason to end a training of days
            self.tell(f"the report is not up to date: {error if isinstance(error, HarnessError) else repr(error)}")
        now = time.monotonic()
        self.ended, self.due = ended, now + max(EVERY_S, SHARE * (now - began))
