"""Lines of $HARNESS_METRICS -> numbers by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.tasks.command.reading.finder import shown
from harness.tasks.protocol import Number, TrainingFailed

# JSON has no non-finite numbers; they are written as strings.
NOT_FINITE = ("nan", "inf", "-inf", "NaN", "Infinity", "-Infinity")
LARGEST = 1e300


@dataclass(frozen=True)
class Record:
    """One line: values of metrics, other numbers, and the step if the line has one."""

    step: int | None
    values: Mapping[str, float]
    others: Mapping[str, Number]


def read_record(line: str, metrics: Mapping[str, Any], reserved: frozenset[str]) -> Record | None:
    """A line: an object of numbers, optionally with `step`; None if it is blank. Raises TrainingFailed."""
    if not line.strip():
        return None
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"$HARNESS_METRICS has a line that is not JSON ({error}): {shown(line)}") from error
    if not isinstance(values, dict):
        raise _unreadable(f"$HARNESS_METRICS has a line that is not a JSON object: {shown(line)}")
    step = values.pop("step", None)
    if step is not None and (type(step) not in (int, float) or not math.isfinite(step) or step != int(step)):
        raise _unreadable(f"$HARNESS_METRICS has the step {json.dumps(step)}, which is not an integer: {shown(line)}")
    others = {name: value for name, value in values.items() if name not in metrics and name not in reserved}
    return Record(
        step=None if step is None else int(step),
        values={name: _number(name, value, line) for name, value in values.items() if name in metrics and value is not None},
        others={name: value for name, value in others.items() if type(value) in (int, float) and abs(value) < LARGEST},
    )


def _number(name: str, value: Any, line: str) -> float:
    if value in NOT_FINITE:
        return float(value)
    if type(value) not in (int, float):
        raise _unreadable(f"$HARNESS_METRICS has {json.dumps(value)[:60]} for {name}, which is not a number: {shown(line)}")
    try:
        return float(value)
    except OverflowError as error:
        raise _unreadable(f"$HARNESS_METRICS has a number for {name} that is too large: {shown(line)}") from error


def _unreadable(message: str) -> TrainingFailed:
    return TrainingFailed("output", message)
