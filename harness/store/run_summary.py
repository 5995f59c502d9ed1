"""The rows of a run -> the summary figures in its result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import stdev
from typing import Any, TypeGuard

from harness.tasks.protocol import Metric, TrainingFailed


def summary(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any]:
    """Time, speed, memory and the fluctuation of `metric` over `rows` (non-finite numbers as strings), for result.json.

    `train_seconds` [s] is the sum over epochs; `samples_per_second` the mean weighted by time; `peak_memory_bytes` the highest;
    `<metric>_fluctuation` (the metric's unit) the standard deviation (n - 1) of its change from epoch to epoch over the last
    quarter of the epochs. None if there are too few values. `metric` is empty for a run that measures nothing.
    """
    timed = [
        (row["samples_per_second"], row["seconds"])
        for row in rows
        if _is_number(row.get("samples_per_second")) and row.get("seconds")
    ]
    weight = sum(seconds for _, seconds in timed)
    last = rows[-1 - len(rows) // 4 :]
    pairs = [(before.get(metric), after.get(metric)) for before, after in pairwise(last)]
    changes = [after - before for before, after in pairs if _is_number(before) and _is_number(after)]
    return {
        "train_seconds": sum(numbers(rows, "seconds")),
        "samples_per_second": sum(speed * seconds for speed, seconds in timed) / weight if weight else None,
        "peak_memory_bytes": max(numbers(rows, "peak_memory_bytes"), default=None),
        **({f"{metric}_fluctuation": stdev(changes) if len(changes) >= 2 else None} if metric else {}),
    }


def taken(rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Metric]) -> dict[str, int]:
    """The epoch (from 1) whose value is the result, for each metric whose result is chosen: the first, if several are as good.

    Raises TrainingFailed if such a metric was not measured at the epoch where the metric that chooses is best.
    """
    found = {}
    for name, metric in metrics.items():
        if metric.chosen_by_best:
            by = metric.at_best or name
            epoch = best_epoch([row.get(by) for row in rows], metrics[by].goal)
            if epoch is None or not _is_number(rows[epoch - 1].get(name)):
                where = f"epoch {epoch}, where {by} is best" if epoch else "any epoch"
                raise TrainingFailed("output", f"{name} was not measured at {where}, so it has no result (at_best: {by})")
            found[name] = epoch
    return found


def best_epoch(values: Sequence[Any], goal: str) -> int | None:
    """The first epoch (from 1) with the best finite value; None if there is none."""
    known = [(value if goal == "minimize" else -value, epoch) for epoch, value in enumerate(values, 1) if _is_number(value)]
    return min(known)[1] if known else None


def numbers(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The finite values of the column `name`."""
    return [row[name] for row in rows if _is_number(row.get(name))]


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
