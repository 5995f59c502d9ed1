"""Values [seed, case] -> their mean, with its error for new seeds and new cases, and the t tests that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, isnan, log, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from harness.analysis.statistics.sample import table

MIN_CASES = 5
MIN_GROUPS = 10  # with fewer, a t test over groups of unequal size errs too often
LEAST_P = 1e-30  # smaller p values are not computed


@dataclass(frozen=True)
class Scatter:
    """The mean of values [seed, case] and the variances of its error, each with its degrees of freedom; see `scatter`.

    `units` is the number of independent units: groups, or cases without groups. NaN variances: no test.
    """

    mean: float
    of_seeds: float  # of new seeds, residual included; 0 for one seed
    of_units: float  # of new units, residual included
    residual: float  # of the interaction of both; 0 for one seed
    n: int  # seeds
    units: int

    @property
    def se(self) -> float:
        """The standard error: from `of_units` and `fixed`, or from the larger variance alone."""
        return sqrt(max(self.of_seeds + self.of_units - self.residual, self.of_seeds, self.of_units)) if self.defined else nan

    @property
    def fixed(self) -> float:
        """The variance that more cases do not reduce, but more seeds do."""
        return max(0.0, self.of_seeds - self.residual)

    @property
    def defined(self) -> bool:
        """Whether there is a test."""
        return not isnan(self.of_units)

    def plus(self, variance: float) -> Scatter:
        """With more variance of new units."""
        return replace(self, of_units=self.of_units + variance)

    def half_width(self, level: float) -> float:
        """Half of the interval at 1 - 2 `level`, which the one-sided tests at `level` agree with."""
        seeds = self.of_seeds * float(stdtrit(self.n - 1, level)) ** 2 if self.n > 1 else 0.0
        critical = float(stdtrit(self.units - 1, level)) ** 2
        return sqrt(max(seeds + max(0.0, self.of_units - self.residual) * critical, self.of_units * critical))

    def above(self, bound: float) -> float:
        """The p value of the one-sided test: small when the mean lies above the bound."""
        distance = self.mean - bound
        if not self.defined:
            return nan
        if self.n == 1:
            return float(stdtr(self.units - 1, -distance / self.se))
        if distance == 0:
            return 0.5
        if self.half_width(LEAST_P) < abs(distance):
            p = LEAST_P
        else:
            from scipy.optimize import brentq  # imported late, as in `effect`

            found = brentq(lambda log: self.half_width(exp(log)) - abs(distance), log(LEAST_P), log(0.5))
            p = exp(float(found))
        return p if distance > 0 else 1.0 - p

    def below(self, bound: float) -> float:
        """Small when the mean lies below the bound."""
        return replace(self, mean=-self.mean).above(-bound)


def scatter(values: ArrayLike, groups: ArrayLike | None = None, rounding: float = 0.0) -> Scatter:
    """The mean of values [seed, case] with the variances of its error for new cases (or groups of cases) and new seeds.

    With n seeds, m cases in K groups (K = m without `groups`) and D the values minus their mean, summed within a group of m_k
    cases and divided by m - m_k: over groups c² = (K-1)/K Σ (mean of D over seeds)², the jackknife over groups (CR3 of Bell and
    McCaffrey 2002), without groups the variance of the paired t test; over seeds s² is the variance of the seeds' means over n;
    r² that of their interaction, (K-1)/K Σ (D without both means)² / (n (n-1)).

    One seed: Student's t with K - 1 degrees of freedom. Several: half of the interval is the root of s² t²(n-1) + (c² - r²)
    t²(K-1), or of c² t²(K-1) if that is larger: each variance with the t value of its own degrees of freedom (as in the MOVER
    method of Zou 2008). It errs in at most 5.3 % at 5 %; Satterthwaite's approximation, which `crossed` uses for display, in
    up to 13 % with 2 seeds and 7 % with 3 (docs/verdicts.md).

    No test with fewer than MIN_CASES cases or MIN_GROUPS groups, or if the root of c² is at most `rounding`. Raises ValueError
    for an empty array or another shape.
    """
    array = table(values, "values", "[seed, case]")
    n, m = array.shape
    if array.size == 0:
        raise ValueError(f"values must not be empty, got shape {array.shape}")
    mean = float(array.mean())
    places = np.arange(m) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    k = int(places.max()) + 1
    undefined = Scatter(mean, nan, nan, nan, n, k)
    if k < (MIN_CASES if groups is None else MIN_GROUPS):
        return undefined
    sizes = np.bincount(places, minlength=k)
    sums = np.stack([np.bincount(places, weights=row - mean, minlength=k) for row in array])  # [seed, group]
    others = m - sizes
    by_group = sums.mean(axis=0)
    of_units = (k - 1) / k * float(np.square(by_group / others).sum())
    if sqrt(of_units) <= rounding:
        return undefined
    if n == 1:
        return Scatter(mean, 0.0, of_units, 0.0, n, k)
    seeds = sums.sum(axis=1) / m  # the seeds' means, minus the mean
    of_seeds = float(np.square(seeds).sum()) / (n - 1) / n
    rest = (sums - by_group - seeds[:, None] * sizes) / others
    return Scatter(mean, of_seeds, of_units, (k - 1) / k * float(np.square(rest).sum()) / (n * (n - 1)), n, k)
