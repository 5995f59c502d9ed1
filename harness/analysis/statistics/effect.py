"""Effect size and probability of improvement of paired differences, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, gammaln, ndtr

from harness.analysis.statistics.sample import Interval, fraction, summary, vector

POINTS = 1_000  # quantiles of a chi distribution, for its integral


@dataclass(frozen=True)
class Effect:
    """How large a difference is relative to its spread over seeds. NaN: not defined.

    `improvement` is the probability that a new seed gives a positive difference, if differences are normally distributed.
    """

    g_z: float  # mean / sd of the differences, with small-sample correction
    g_z_ci: Interval
    improvement: float
    improvement_ci: Interval


def effect(differences: ArrayLike, level: float = 0.05) -> Effect:
    """Effect of differences [seed] with intervals at 1 - `level`.

    g_z = mean/sd * Γ(ν/2) / (sqrt(ν/2) Γ((ν-1)/2)) with ν = n - 1 (Hedges 1981). Its interval comes from the noncentrality of the
    t statistic at which the observed one is at the level's quantiles (Steiger and Fouladi 1997), exact for normal differences;
    the probability is Φ of the same. All NaN with fewer than 3 seeds or without spread. Raises ValueError for another shape.
    """
    of = summary(vector(differences, "differences"))
    if of.n < 3 or not float(of.sd) > 0:
        return Effect(np.nan, (np.nan, np.nan), np.nan, (np.nan, np.nan))
    g_z = float(of.mean / of.sd) * correction(of.n)
    bounds = _noncentrality(float(of.t()), of.n - 1, fraction(level, "level"))
    low, high = (bound / sqrt(of.n) for bound in bounds)
    return Effect(g_z, (low, high), float(ndtr(g_z)), (float(ndtr(low)), float(ndtr(high))))


def correction(n: int) -> float:
    """The factor by which mean / sd of n >= 3 values overestimates their ratio, inverted (Hedges 1981)."""
    df = n - 1
    return float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def _noncentrality(t: float, df: int, level: float) -> Interval:
    """The noncentralities at which P(T <= t) is 1 - level/2, and level/2."""
    from scipy.optimize import brentq  # a sixth of a second, which most reports do not need

    # T <= t if a standard normal is at most t s - nc, with s the sample's sd relative to the true one: ν s² ~ χ²_ν.
    s = np.sqrt(chdtri(df, (np.arange(POINTS) + 0.5) / POINTS) / df)
    most = 10.0 + abs(t) * float(s.max())

    def solution(wanted: float) -> float:
        return float(brentq(lambda nc: float(ndtr(t * s - nc).mean()) - wanted, -most, most, xtol=1e-6))

    return solution(1 - level / 2), solution(level / 2)
