"""The rows of a run -> the summary figures in its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import stdev
from typing import Any

from harness.tasks.results import is_number


def summary(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any]:
    """Time, speed, memory and the fluctuation of `metric` over `rows` (non-finite numbers as strings), for result.json.

    `train_seconds` [s] is the sum over epochs; `samples_per_second` the mean weighted by time; `peak_memory_bytes` the highest;
    `<metric>_fluctuation` (the metric's unit) the standard deviation (n - 1) of its change from epoch to epoch over the last
    quarter of the epochs. None if there are too few values. `metric` is empty for a run that measures nothing.
    """
    timed = [
        (row["samples_per_second"], row["seconds"])
        for row in rows
        if is_number(row.get("samples_per_second")) and row.get("seconds")
    ]
    weight = sum(seconds for _, seconds in timed)
    last = rows[-1 - len(rows) // 4 :]
    pairs = [(before.get(metric), after.get(metric)) for before, after in pairwise(last)]
    changes = [after - before for before, after in pairs if is_number(before) and is_number(after) and is_number(after - before)]
    return {
        "train_seconds": sum(numbers(rows, "seconds")),
        "samples_per_second": sum(speed * seconds for speed, seconds in timed) / weight if weight else None,
        "peak_memory_bytes": max(numbers(rows, "peak_memory_bytes"), default=None),
        **({f"{metric}_fluctuation": _deviation(changes)} if metric else {}),
    }


def _deviation(changes: Sequence[float]) -> float | None:
    """Their standard deviation (n - 1); None of fewer than 2, and where it overflows."""
    try:
        return stdev(changes) if len(changes) >= 2 else None
    except OverflowError:
        return None


def numbers(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The finite values of the column `name`."""
    return [row[name] for row in rows if is_number(row.get(name))]
