"""What the followers of a program's files have in common: readings, their interface, their errors."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.common.patience import answered
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

    def poll(self) -> Sequence[Reading]:
        """The readings that have become complete; cheap if nothing changed."""

    def end(self) -> Sequence[Reading]:
        """The program has succeeded: the rest."""

    def why_missing(self, metric: str) -> str:
        """After `end`, of a metric without readings: what is there instead."""


class Outcomes:
    """Counts readings that look like outcomes of cases instead of a curve: many, each 0 or 1, without steps."""

    def __init__(self) -> None:
        self._count, self._no_steps, self._values = 0, True, set[float]()

    def note(self, readings: Sequence[Reading]) -> int | None:
        """Further readings; the number of all if they look like outcomes, else None."""
        self._count += len(readings)
        self._no_steps = self._no_steps and all(reading.step is None for reading in readings)
        if self._no_steps and len(self._values) < 3:
            self._values.update(value for reading in readings for value in reading.values.values())
        return self._count if self._no_steps and self._values == {0.0, 1.0} and self._count >= OUTCOMES else None


def unreadable(message: str) -> TrainingFailed:
    """The error for a file that cannot be read as it should be; the same place whatever the numbers in the message."""
    return TrainingFailed("output", message, f"output: {re.sub('[0-9]+', '#', message)}")


def refused(name: str, error: OSError) -> TrainingFailed:
    """The error for a file that the system does not let us read."""
    return unreadable(f"{name} cannot be read: {error.strerror or error}")


def status_of(path: Path) -> os.stat_result | None:
    """Of a file that a program may write; None: it cannot be found. Raises StoreError if the folder does not respond."""
    try:
        return answered(path, path.stat)
    except OSError:
        return None


def is_file(path: Path) -> bool:
    """`status_of`: whether it is a file, or a link to one."""
    status = status_of(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def listed(names: Sequence[str], near: str = "") -> str:
    """Names as a message lists them, those first that are similar to `near`."""
    close = difflib.get_close_matches(near, names[:MOST_COMPARED], n=3, cutoff=0.5) if near else []
    names = list(dict.fromkeys([*close, *names]))
    shown = [name if name.isprintable() else ascii(name) for name in names[:MOST_NAMES]]
    return ", ".join(shown) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
