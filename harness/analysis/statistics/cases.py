"""Tests and intervals over the cases of an evaluation: each case is answered by both variants, or by one.

Values are arrays [seed, case], higher is better, and must be finite (not checked). A mean is always that over cases and seeds.
Which statistics are used depends on the data:

- outcomes that are all 0 or 1, one seed, no groups: exact ones, see `harness.analysis.statistics.proportions`;
- otherwise the tests of `scatter`: Student's t over cases, or over groups of cases that belong together; with several seeds, over
  seeds and cases crossed. Of outcomes that are 0 or 1, a mean closer to 0 (or a proportion closer to 0 or 1) than the number it
  is compared with may owe this to rare cases that are not among these: their variance is added, as in a score test.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from harness.analysis.statistics import proportions
from harness.analysis.statistics.power import Rule
from harness.analysis.statistics.proportions import Outcomes
from harness.analysis.statistics.sample import ROUNDING, Floats, Interval, fraction, table
from harness.analysis.statistics.scatter import MIN_CASES, MIN_GROUPS, Scatter, scatter

MAX_CASES = 1_000_000  # the limit of `cases_needed`


@dataclass(frozen=True)
class CasePairs:
    """Differences variant - baseline over `n` cases, in the unit of the values. NaN: not defined.

    The fields that it shares with `Paired` mean the same, except that `sd` is over cases (of the means over seeds).
    """

    n: int
    mean: float
    sd: float
    se: float
    p: float
    ci: Interval  # at 1 - level
    p_tost: float
    p_nogain: float
    p_beyond: float
    seeds: int
    groups: int | None
    fixed: float = 0.0  # see `Scatter`
    scale: float = 1.0
    outcomes: Outcomes | None = None  # if all are 0 or 1, of one seed
    rho: float = nan  # over seeds: not defined


@dataclass(frozen=True)
class CaseMean:
    """The mean over `n` cases compared with a number, in the unit of the values. NaN: not defined."""

    n: int
    mean: float
    sd: float
    p_above: float  # small when the mean lies above the bound
    p_below: float  # small when it lies below
    ci: Interval  # at 1 - level
    seeds: int
    groups: int | None
    exact: bool = False  # the tests of a proportion


def case_pairs(
    variant: ArrayLike,
    baseline: ArrayLike,
    margin: float,
    level: float = 0.05,
    *,
    groups: ArrayLike | None = None,
    scale: float = 1.0,
) -> CasePairs:
    """Compare values [seed, case] of two variants on the same cases; `groups` [case] are labels of cases that belong together.

    Means, margin and interval are in `scale` times the unit of the values (100: a share as a percentage). Seeds that all give the
    same values count as one. Undefined numbers are NaN: all tests with fewer than `MIN_CASES` cases or `MIN_GROUPS` groups, or if
    every case has the same difference (unless the outcomes are 0 or 1). Raises ValueError for different shapes.
    """
    left, right = table(variant, "variant", "[seed, case]"), table(baseline, "baseline", "[seed, case]")
    if left.shape != right.shape:
        raise ValueError(f"variant has shape {left.shape} and baseline {right.shape}; they must be equal")
    left, right, seeds = *_without_repeats(left, right), len(left)
    if groups is None and len(left) == 1 and _binary(left, right):
        return _exact_pairs(left[0], right[0], margin / scale, fraction(level, "level"), scale=scale, seeds=seeds)
    differences = scale * (left - right)
    rounding = ROUNDING * scale * float(max(np.abs(left).max(initial=0.0), np.abs(right).max(initial=0.0)))
    of = scatter(differences, groups, rounding)
    less = more = of
    if _binary(left, right) and abs(of.mean) < margin:
        less, more = (of.plus(scale**2 * _unseen((of.mean - bound) / scale, left.shape[1])) for bound in (-margin, margin))
    return CasePairs(
        n=left.shape[1],
        mean=of.mean,
        sd=_sd(differences),
        se=of.se,
        p=2 * min(of.above(0.0), of.below(0.0)),
        ci=_interval(of, fraction(level, "level")),
        p_tost=max(less.above(-margin), more.below(margin)),
        p_nogain=more.below(margin),
        p_beyond=twice if (twice := 2 * min(more.above(margin), less.below(-margin))) < 1 or isnan(twice) else 1.0,
        seeds=seeds,
        groups=None if groups is None else of.units,
        fixed=of.fixed,
        scale=scale,
    )


def case_mean(
    values: ArrayLike, bound: float, level: float = 0.05, *, groups: ArrayLike | None = None, scale: float = 1.0
) -> CaseMean:
    """Compare the mean of values [seed, case] with `bound`; `groups`, `scale` and undefined numbers as in `case_pairs`.

    Outcomes that are all 0 or 1, of one seed without groups: the exact binomial test and Clopper and Pearson's interval.
    """
    array = table(values, "values", "[seed, case]")
    (array,), seeds = _without_repeats(array), len(array)
    level = fraction(level, "level")
    n, sd = array.shape[1], _sd(scale * array)
    if groups is None and len(array) == 1 and _binary(array):
        ones = round(float(array.sum()))
        above, below = proportions.binomial(ones, n, bound / scale)
        low, high = proportions.clopper_pearson(ones, n, level)
        return CaseMean(n, scale * ones / n if n else nan, sd, above, below, (scale * low, scale * high), seeds, None, exact=True)
    of = scatter(scale * array, groups, ROUNDING * scale * float(np.abs(array).max(initial=0.0)))
    units, at = None if groups is None else of.units, of
    if _binary(array) and abs(bound / scale - 0.5) < abs(of.mean / scale - 0.5):
        at = of.plus(scale**2 * _unseen((of.mean - bound) / scale, n))
    return CaseMean(n, of.mean, sd, at.above(bound), at.below(bound), _interval(of, level), seeds, units)


def cases_needed(
    found: CasePairs, margin: float, level: float, power: float = 0.8, *, rule: Rule = "direction"
) -> tuple[int | None, int | None]:
    """How many cases like these decide with probability `power`, with the same number of seeds; by the normal approximation.

    If the variance is the observed one, and if it is its upper 80 % confidence limit (of a normal variance; of 0/1 outcomes: of
    the share of discordant cases). The true difference is the margin (direction) or 0 (equivalence, bound), as in `seeds_needed`.
    None: more than `MAX_CASES`, or no number, as the seeds vary too much.
    """
    if not margin > 0 or not level > 0 or isnan(found.se):
        return None, None
    z = -scipy.special.ndtri(level / 2 if rule == "direction" else level)
    both = float(z + scipy.special.ndtri((1 + power) / 2 if rule == "equivalence" else power))
    allowed = (margin / both) ** 2 - found.fixed
    least = MIN_CASES if found.groups is None else MIN_GROUPS
    if found.outcomes is not None:
        discordant = found.outcomes.only_variant + found.outcomes.only_baseline
        most = proportions.clopper_pearson(discordant, found.n, 0.4)[1]  # the upper limit at 80 %
        shares = (max(discordant, 1) / found.n, most)
        variances = [found.scale**2 * share for share in shares]
        bound = margin / found.scale
        least = max(least, int(np.ceil(z**2 * (1 - bound) / bound)))  # without any discordant case
    else:
        df = (found.n if found.groups is None else found.groups) - 1
        variances = [
            factor * (found.se**2 - found.fixed) * found.n for factor in (1.0, df / float(scipy.special.chdtri(df, 0.8)))
        ]
    sizes = [inf if allowed <= 0 else variance / allowed for variance in variances]
    low, high = (None if size > MAX_CASES else max(least, int(np.ceil(size))) for size in sizes)
    return low, high


def _exact_pairs(left: Floats, right: Floats, margin: float, level: float, *, scale: float, seeds: int) -> CasePairs:
    n = len(left)
    both, one, other = (int(np.sum(chosen)) for chosen in (left * right, left * (1 - right), right * (1 - left)))
    tests = proportions.paired_proportions(one, other, n, margin, level)
    sd = _sd((left - right)[None])
    return CasePairs(
        n=n,
        mean=scale * (one - other) / n if n else nan,
        sd=scale * sd,
        se=scale * sd / sqrt(n) if n else nan,
        p=tests.p,
        ci=(scale * tests.ci[0], scale * tests.ci[1]),
        p_tost=tests.p_tost,
        p_nogain=tests.p_nogain,
        p_beyond=tests.p_beyond,
        seeds=seeds,
        groups=None,
        scale=scale,
        outcomes=Outcomes(both, one, other, n - both - one - other),
    )


def _unseen(distance: float, n: int) -> float:
    """The variance of the mean of `n` outcomes 0 or 1 that is not seen if rare cases make the `distance` to its true value."""
    share = min(abs(distance), 1.0)
    return share * (1 - share) / n


def _without_repeats(*arrays: Floats) -> tuple[Floats, ...]:
    """The first seed only if all seeds give the same values: they are one evaluation, repeated."""
    repeated = len(arrays[0]) > 1 and all(bool((array == array[0]).all()) for array in arrays)
    return tuple(array[:1] for array in arrays) if repeated else arrays


def _binary(*arrays: Floats) -> bool:
    return all(bool(np.isin(array, (0.0, 1.0)).all()) for array in arrays)


def _sd(values: NDArray[np.float64]) -> float:
    return float(values.mean(axis=0).std(ddof=1)) if values.shape[1] > 1 else nan


def _interval(of: Scatter, level: float) -> Interval:
    half = of.half_width(level / 2) if of.defined else nan
    return of.mean - half, of.mean + half
