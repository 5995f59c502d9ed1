"""Exact tests and score intervals for outcomes that are 0 or 1: a proportion, and the difference of two paired proportions.

Which is used where, for paired outcomes with `one` cases that only the variant gets right and `other` only the baseline:

- no difference: McNemar's exact test, the binomial test of `one` against `other`;
- a difference of ±margin: the p value of Tango's (1998) score statistic from its exact distribution, the largest over the unknown
  discordance (Chan, Tang, Tang and Chan 2003; within the confidence limits of Berger and Boos 1994). Its normal approximation
  rejects up to 6.0 % at 5 % with 30 to 200 cases, and is used beyond 1,000, where it does not exceed 5.0 %;
- the interval: Tango's score interval, which need not be exact. So that it never contradicts the test of no difference, it ends
  at 0 where that test rejects and reaches 0 where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import nan, sqrt
from typing import Any

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, gammaln, ndtr, ndtri, xlogy

from harness.analysis.statistics.sample import Interval

EXACT = 1_000  # cases: beyond, the normal approximation is as good
UNLIKELY = 1e-6  # that the discordance lies outside the limits within which the largest p value is sought
GRID = 40  # discordances tried
NEGLIGIBLE = 1e-9  # probability of tables that are left out
EQUAL = 1e-9  # statistics closer than this are equal


@dataclass(frozen=True)
class Outcomes:
    """How many cases have the outcome 1 for both sides, for one only, or for neither."""

    both: int
    only_variant: int
    only_baseline: int
    neither: int


@dataclass(frozen=True)
class PairedProportions:
    """Tests about a difference of paired proportions, by the names of `Paired`; the interval is at 1 - level."""

    p: float
    p_tost: float
    p_nogain: float
    p_beyond: float
    ci: Interval


def paired_proportions(one: int, other: int, n: int, margin: float, level: float) -> PairedProportions:
    """`one` cases with outcome 1 for the variant only and `other` for the baseline only, of `n`; see the module."""
    if n < 1:
        return PairedProportions(nan, nan, nan, nan, (nan, nan))
    p = mcnemar(one, other)
    low, high = tango_interval(one, other, n, level)
    if p >= level:
        low, high = min(low, 0.0), max(high, 0.0)
    elif one > other:
        low = max(low, 0.0)
    else:
        high = min(high, 0.0)
    below = margin_p(one, other, n, margin)
    return PairedProportions(
        p=p,
        p_tost=max(below, margin_p(other, one, n, margin)),
        p_nogain=below,
        p_beyond=min(1.0, 2 * min(beyond_p(one, other, n, margin), beyond_p(other, one, n, margin))),
        ci=(low, high),
    )


def mcnemar(one: int, other: int) -> float:
    """The two-sided exact test of no difference."""
    discordant = one + other
    return min(1.0, 2 * float(bdtr(min(one, other), discordant, 0.5))) if discordant else 1.0


def score(one: Any, other: Any, n: int, difference: float) -> Any:
    """Tango's score statistic of a true `difference`, for counts or arrays of them; 0 where it is not defined."""
    if difference < 0:
        return -score(other, one, n, -difference)
    one, other = np.asarray(one, float), np.asarray(other, float)
    b = (2 * n - one + other) * difference - one - other
    root = np.sqrt(np.maximum(b * b + 8 * n * other * difference * (1 - difference), 0.0))
    rare = np.maximum((root - b) / (4 * n), 0.0)  # P(only the baseline) that is most likely under the difference
    variance = n * (2 * rare + difference * (1 - difference))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, (one - other - n * difference) / np.sqrt(variance), 0.0)


def tango_interval(one: int, other: int, n: int, level: float) -> Interval:
    """The differences that the score statistic does not reject at `level`, two-sided."""
    from scipy.optimize import brentq  # imported late, as in `effect`

    z = -float(ndtri(level / 2))
    estimate = (one - other) / n

    def limit(side: int) -> float:
        end = side * (1 - 1e-12)

        def excess(difference: float) -> float:
            return float(score(one, other, n, difference)) + side * z

        if side * estimate >= 1 or side * excess(end) > 0:
            return float(side)
        return float(brentq(excess, estimate, end, xtol=1e-12))

    return limit(-1), limit(1)


def margin_p(one: int, other: int, n: int, margin: float) -> float:
    """Small when the true difference lies below `margin`."""
    return _tail(one, other, n, margin, -1)


def beyond_p(one: int, other: int, n: int, margin: float) -> float:
    """Small when the true difference lies above `margin`."""
    return _tail(one, other, n, margin, 1)


@lru_cache(maxsize=4096)
def _tail(one: int, other: int, n: int, margin: float, side: int) -> float:
    """P(a statistic at least as extreme, towards `side`) at a true difference of `margin`."""
    if margin >= 1:
        return 0.0 if side < 0 else 1.0
    seen = float(score(one, other, n, margin))
    if n > EXACT:
        return float(ndtr(-side * seen))
    # The unknown: P(only the baseline); P(only the variant) is larger by the margin.
    top = (1 - margin) / 2
    low, high = clopper_pearson(other, n, UNLIKELY)
    rare = np.linspace(min(low, top), min(high, top), GRID)
    ones, others = (np.arange(*_likely(probability, n)) for probability in ((rare + margin), rare))
    ones, others = ones[:, None], others[None, :]
    extreme = side * (score(ones, others, n, margin) - seen) >= -EQUAL
    rest = n - ones - others
    extreme &= rest >= 0
    ones, others, rest = (np.broadcast_to(each, extreme.shape)[extreme] for each in (ones, others, rest))
    ways = gammaln(n + 1) - gammaln(ones + 1) - gammaln(others + 1) - gammaln(rest + 1)
    largest = 0.0
    for each in rare:
        logs = ways + xlogy(ones, each + margin) + xlogy(others, each) + xlogy(rest, max(0.0, 1 - 2 * each - margin))
        largest = max(largest, float(np.exp(logs).sum()))
    return min(1.0, largest + UNLIKELY)


def _likely(probabilities: Any, n: int) -> tuple[int, int]:
    """The range of binomial counts for the least and the largest of these probabilities, without negligible tails."""
    reach = [sqrt(-2 * np.log(NEGLIGIBLE) * n * each) - np.log(NEGLIGIBLE) for each in (probabilities[0], probabilities[-1])]
    return max(0, int(n * probabilities[0] - reach[0])), min(n, int(n * probabilities[-1] + reach[1])) + 1


def binomial(ones: int, n: int, bound: float) -> tuple[float, float]:
    """P(at least `ones` of `n`) and P(at most `ones`) if the proportion is `bound`: small above, and below it."""
    if n < 1:
        return nan, nan
    bound = min(max(bound, 0.0), 1.0)
    above = 1.0 if ones == 0 else float(bdtrc(ones - 1, n, bound))
    return above, float(bdtr(ones, n, bound))


def clopper_pearson(ones: int, n: int, level: float) -> Interval:
    """The exact interval of a proportion at 1 - `level`."""
    if n < 1:
        return nan, nan
    low = float(betaincinv(ones, n - ones + 1, level / 2)) if ones else 0.0
    return low, float(betaincinv(ones + 1, n - ones, 1 - level / 2)) if ones < n else 1.0
