"""Text about results that exist already: how they were read, and what it would take to claim something."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from harness.analysis.verdicts import Row
from harness.reporting.phrases.labels import shorten
from harness.reporting.phrases.numbers import difference_unit, listed

if TYPE_CHECKING:
    from harness.existing.results import ExistingResults

SEEDS = (5, 10, 20)  # for which the least difference that they decide is stated
POWER = 0.8
WIDTH = 50  # of a label in a sentence


def reading(found: ExistingResults) -> list[str]:
    """How the table was read, as sentences."""
    return [f"{line[:1].upper()}{line[1:]}." for line in (f"read from {found.given.source}", *found.reading)]


def to_claim(found: ExistingResults) -> list[str]:
    """What it would take to claim a difference, as sentences: seeds from the spread seen here, and how to register it."""
    plan, name = found.plan, found.table.metric
    rows = [row for row in found.table.rows if row.over is not None and row.pairs > 2 and row.interval is not None]
    if not rows or plan.looks[0] < 3 or found.arranged.cases is not None:
        return []
    unit = difference_unit(found.metrics[name].unit)
    spreads = {row.variant: _spread(found, row) for row in rows}
    widest = max(rows, key=lambda row: spreads[row.variant].sd)
    spread = spreads[widest.variant]
    if not spread.sd > 0 or not isfinite(spread.sd):
        return []
    label, over = shorten((widest.variant, str(widest.over)), WIDTH)
    seen = f"the differences vary by {spread.sd:.2g} {unit}".rstrip() + f" (sd, {label} minus {over})"
    what = "runs of each" if widest.runs else "seeds"
    if plan.margin:
        low, high = (spread.needed(plan.margin, plan.alpha, limit) for limit in (1.0, spread.limit))
        size = f"{plan.margin:g} {unit}".rstrip()
        needed = f"{_range(low, high)} fresh {what} decide a claim with the margin {size} with probability 80 %"
    else:
        sizes = [f"{seeds} of {least:.2g} {unit}".rstrip() for seeds in SEEDS if (least := _least(spread, seeds, plan.alpha))]
        sizes[0] = sizes[0].replace(" of ", f" {what} decide a difference of ", 1)
        needed = f"with probability 80 %, {listed(sizes)}"
    return [f"Where {seen}, {needed}.", "A claim is evidence if it is registered before its seeds are trained: harness new."]


@dataclass(frozen=True)
class _Spread:
    """How much a difference varies: `sd` of one seed, or of one run of each variant."""

    sd: float
    limit: float  # times this: its upper 80 % confidence limit
    samples: float = 1.0  # as in `seeds_needed`

    def needed(self, margin: float, alpha: float, times: float = 1.0) -> int | None:
        """Seeds, or runs of each, that decide a difference of `margin`; None beyond 1,000."""
        from harness.analysis import statistics

        return statistics.seeds_needed(self.sd * times, margin, alpha, POWER, samples=self.samples)


def _spread(found: ExistingResults, row: Row) -> _Spread:
    from scipy.special import chdtri, stdtrit

    if row.runs:
        runs, name = found.arranged.runs, found.table.metric
        runs = runs[(runs["state"] == "completed") & runs[name].notna()]
        spreads = [float(runs.loc[runs["variant"] == label, name].var()) for label in (row.variant, row.over)]
        parts = [each / n for each, n in zip(spreads, row.runs, strict=True)]
        if not sum(parts) > 0:
            return _Spread(0.0, 1.0)
        df = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, row.runs, strict=True))
        samples = sum(spreads) ** 2 / sum(each**2 for each in spreads)
        return _Spread(sqrt(sum(spreads)), sqrt(df / float(chdtri(df, POWER))), samples)
    assert row.interval is not None
    half, df = (row.interval[1] - row.interval[0]) / 2, row.pairs - 1
    return _Spread(float(half / stdtrit(df, 1 - row.level / 2) * sqrt(row.pairs)), sqrt(df / float(chdtri(df, POWER))))


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return "more than 1,000"
    if high is None:
        return f"{low:,d} to more than 1,000"
    return f"{low:,d}" if low == high else f"{low:,d} to {high:,d}"


def _least(spread: _Spread, seeds: int, alpha: float) -> float | None:
    """The smallest margin that `seeds` seeds decide, to two digits; None beyond a hundred standard deviations."""
    low, high = 0.01 * spread.sd, 100.0 * spread.sd
    if (most := spread.needed(high, alpha)) is None or most > seeds:
        return None
    for _ in range(40):
        middle = sqrt(low * high)
        needed = spread.needed(middle, alpha)
        low, high = (low, middle) if needed is not None and needed <= seeds else (middle, high)
    return high
