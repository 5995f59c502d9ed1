"""The rows of a run -> the epochs whose values are its result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, TypeGuard

from harness.tasks.protocol import Metric, TrainingFailed

# Larger magnitudes are not calculated with: the fourth powers in tests would overflow.
LARGEST = 1e75


def taken(rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Metric]) -> dict[str, int]:
    """The epoch (from 1) whose value is the result, for each metric whose result is chosen: the first, if several are as good.

    Raises TrainingFailed if such a metric was not measured at the epoch where the metric that chooses is best.
    """
    found = {}
    for name, metric in metrics.items():
        if metric.chosen_by_best:
            by = metric.at_best or name
            epoch = best_epoch([row.get(by) for row in rows], metrics[by].goal)
            if epoch is None or not is_number(rows[epoch - 1].get(name)):
                where = f"epoch {epoch}, where {by} is best" if epoch else "any epoch"
                raise TrainingFailed("output", f"{name} was not measured at {where}, so it has no result (at_best: {by})")
            found[name] = epoch
    return found


def best_epoch(values: Sequence[Any], goal: str) -> int | None:
    """The first epoch (from 1) with the best finite value; None if there is none."""
    known = [(value if goal == "minimize" else -value, epoch) for epoch, value in enumerate(values, 1) if is_number(value)]
    return min(known)[1] if known else None


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def is_usable(value: Any) -> TypeGuard[float]:
    """Whether statistics and figures can use a value: a finite number of at most `LARGEST` in magnitude."""
    return is_number(value) and abs(value) <= LARGEST


def mean(values: Sequence[float]) -> float:
    """The mean of finite numbers, also where their sum would overflow. Raises StatisticsError without numbers."""
    try:
        return fmean(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)
