"""What the followers of a program's files have in common: readings, their interface, their errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.tasks.protocol import TrainingFailed

MOST_NAMES = 12  # of columns, keys, tags or files in a message
OUTCOMES = 20  # rows that are many
MOST_COMPARED = 1000  # names that are compared with a missing one


@dataclass(frozen=True)
class Reading:
    """Metrics of one row, event or document; values may be nan or infinite. `step` is None where there is none."""

    step: int | None
    values: Mapping[str, float]


class Follower(Protocol):
    """Reads the files of one source while the program writes them. All methods but `why_missing` raise TrainingFailed."""

    metrics: tuple[str, ...]

    @property
    def has_steps(self) -> bool | None:
        """Whether every reading so far has a step; None: there was none."""

    def poll(self) -> Sequence[Reading]:
        """The readings that have become complete; cheap if nothing changed."""

    def end(self) -> Sequence[Reading]:
        """The program has succeeded: the rest."""

    def why_missing(self, metric: str) -> str:
        """After `end`, of a metric without readings: what is there instead."""


class Steps:
    """Whether readings have steps."""

    def __init__(self) -> None:
        self.all: bool | None = None
        self.count = 0
        self._none, self._values = True, set[float]()

    def note(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """The readings, unchanged."""
        if readings:
            self.all = self.all is not False and all(reading.step is not None for reading in readings)
            self.count += len(readings)
            self._none = self._none and all(reading.step is None for reading in readings)
            if self._none and len(self._values) < 3:
                self._values.update(value for reading in readings for value in reading.values.values())
        return readings

    @property
    def like_cases(self) -> bool:
        """Whether the readings look like outcomes of cases instead of a curve: many, each 0 or 1, without steps."""
        return self._none and self._values == {0.0, 1.0} and self.count >= OUTCOMES


def unreadable(message: str) -> TrainingFailed:
    """The error for a file that cannot be read as it should be; the same place whatever the numbers in the message."""
    return TrainingFailed("output", message, f"output: {re.sub('[0-9]+', '#', message)}")


def listed(names: Sequence[str], near: str = "") -> str:
    """Names as a message lists them, those first that are similar to `near`."""
    close = difflib.get_close_matches(near, names[:MOST_COMPARED], n=3, cutoff=0.5) if near else []
    names = list(dict.fromkeys([*close, *names]))
    shown = [name if name.isprintable() else ascii(name) for name in names[:MOST_NAMES]]
    return ", ".join(shown) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
