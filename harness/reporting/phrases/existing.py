"""Text about results that exist already: how they were read, and what it would take to claim something."""

from __future__ import annotations

from math import isfinite, sqrt

from harness.analysis.verdicts import Row
from harness.existing.results import ExistingResults
from harness.reporting.phrases.numbers import difference_unit, listed

SEEDS = (5, 10, 20)  # for which the least difference that they decide is stated
POWER = 0.8


def reading(found: ExistingResults) -> list[str]:
    """How the table was read, as sentences."""
    return [f"{line[:1].upper()}{line[1:]}." for line in (f"read from {found.given.source}", *found.reading)]


def to_claim(found: ExistingResults) -> list[str]:
    """What it would take to claim a difference, as sentences: seeds from the spread seen here, and how to register it."""
    from harness.analysis import statistics

    plan, name = found.plan, found.table.metric
    rows = [row for row in found.table.rows if row.over is not None and row.pairs > 2 and row.interval is not None]
    if not rows or plan.looks[0] < 3 or found.arranged.cases is not None:
        return []
    unit = difference_unit(found.metrics[name].unit)
    widest = max(rows, key=_sd)
    sd, n = _sd(widest), widest.pairs
    spread = f"the differences vary by {sd:.2g} {unit}".rstrip() + f" (sd, {widest.variant} minus {widest.over})"
    if not sd > 0 or not isfinite(sd):
        return []
    if plan.margin:
        low, high = statistics.seeds_range(sd, n, plan.margin, plan.alpha, POWER)
        size = f"{plan.margin:g} {unit}".rstrip()
        needed = f"{_range(low, high)} fresh seeds decide a claim with the margin {size} with probability 80 %"
    else:
        sizes = [f"{seeds} of {least:.2g} {unit}".rstrip() for seeds in SEEDS if (least := _least(sd, seeds, plan.alpha))]
        sizes[0] = sizes[0].replace(" of ", " seeds decide a difference of ", 1)
        needed = f"with probability 80 %, {listed(sizes)}"
    return [f"Where {spread}, {needed}.", "A claim is evidence if it is registered before its seeds are trained: harness new."]


def _sd(row: Row) -> float:
    """The standard deviation of the differences, from the width of their t interval."""
    from scipy.special import stdtrit

    assert row.interval is not None
    half = (row.interval[1] - row.interval[0]) / 2
    return float(half / stdtrit(row.pairs - 1, 1 - row.level / 2) * sqrt(row.pairs))


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return "more than 1,000"
    if high is None:
        return f"{low:,d} to more than 1,000"
    return f"{low:,d}" if low == high else f"{low:,d} to {high:,d}"


def _least(sd: float, seeds: int, alpha: float) -> float | None:
    """The smallest margin that `seeds` seeds decide, to two digits; None beyond a hundred standard deviations."""
    from harness.analysis import statistics

    low, high = 0.01 * sd, 100.0 * sd
    if (most := statistics.seeds_needed(sd, high, alpha, POWER)) is None or most > seeds:
        return None
    for _ in range(40):
        middle = sqrt(low * high)
        needed = statistics.seeds_needed(sd, middle, alpha, POWER)
        low, high = (low, middle) if needed is not None and needed <= seeds else (middle, high)
    return high
