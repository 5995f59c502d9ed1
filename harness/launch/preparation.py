"""Imports what verdicts and reports need while the workers train, so that the verdict follows the last run at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module

AFTER_S = 10.0  # or after the first run: before that, workers start, which import too
MODULES = (
    "pandas",
    "scipy.special",
    "scipy.optimize",
    "pyarrow",
    "harness.terminal.summary",
    "harness.terminal.json_output",
    "harness.reporting.pages.write",
    "harness.reporting.pages.scoreboard",
    "harness.reporting.pages.page",
    "jinja2",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)


class Preparation:
    """A module each turn, so that the process that supervises can look after the workers in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self._left: Iterator[str] = iter(MODULES)

    def turn(self, finished: int) -> bool:
        """Import the next module, once a run has finished or the workers have had time to start; returns whether it did."""
        if not finished and self._clock() - self._start < AFTER_S:
            return False
        for name in self._left:
            with suppress(Exception):  # a package that is missing or broken is reported where it is needed
                import_module(name)
            return True
        return False
