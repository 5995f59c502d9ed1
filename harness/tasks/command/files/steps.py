"""The step of a row: which column or key it is, and its value as an integer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.tasks.command.files.reading import unreadable

NAMES = ("step", "epoch", "iteration", "global_step")  # of columns and keys, in this order, if the YAML names none


def step_name(names: Iterable[str]) -> str | None:
    """The first of `NAMES` among the names, as it is spelled there."""
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(name.strip().lower(), name)
    return next((spelled[name] for name in NAMES if name in spelled), None)


def whole_step(value: float, where: str, name: str) -> int:
    """The step as an integer. Raises TrainingFailed."""
    if not math.isfinite(value) or value != int(value):
        raise unreadable(f"{where}: the step {name!r} is {value!r}, which is not an integer; name another one by step:")
    return int(value)
