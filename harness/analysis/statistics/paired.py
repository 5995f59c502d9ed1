"""Paired differences of a variant and a baseline over seeds: tests, intervals, effect size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.analysis.statistics.effect import correction
from harness.analysis.statistics.sample import Floats, Interval, Summary, fraction, summary, vector


@dataclass(frozen=True)
class Paired:
    """Differences x_i = variant_i - baseline_i over n seeds, in the unit of the values. NaN: not defined."""

    n: int
    mean: float
    sd: float  # ddof 1
    se: float
    t: float
    p: float  # two-sided, Student's t with n - 1 degrees of freedom
    ci: Interval  # at 1 - level
    ci95: Interval
    ci90: Interval
    g_z: float  # effect size mean / sd, with small-sample correction
    rho: float  # correlation over seeds
    p_tost: float  # see `Tests`
    p_nogain: float
    p_beyond: float


@dataclass(frozen=True)
class Threshold:
    """One sample compared with a number, in the unit of the values. NaN: not defined."""

    n: int
    mean: float
    sd: float  # ddof 1
    se: float
    t: float  # (mean - bound) / se
    p_above: float  # P(T >= t): small when the mean lies above the bound
    p_below: float  # P(T <= t): small when it lies below
    ci: Interval  # at 1 - level


def paired(
    variant: ArrayLike,
    baseline: ArrayLike,
    margin: float | None,
    alpha: float = 0.05,
    *,
    level: float | None = None,
    resolution: float = 0.0,
) -> Paired:
    """Paired t test, equivalence (two one-sided tests) and non-superiority of values [seed], oriented so that higher is better.

    With ν = n - 1 and δ = `margin`: t = mean / se; p_tost = max(P(T_ν >= (mean + δ)/se), P(T_ν <= (mean - δ)/se)) (Schuirmann
    1987); p_nogain = P(T_ν <= (mean - δ)/se); p_beyond = 2 P(T_ν >= (|mean| - δ)/se); g_z as in `effect`. `ci` is the t interval
    at 1 - `level`, by default at 1 - `alpha`. `resolution` is the step of the values: se is at least that of a difference of two
    rounding errors, resolution / sqrt(6 n).

    Without a margin p_tost, p_nogain and p_beyond are NaN; with fewer than 2 seeds all but n and mean. Without spread and
    resolution t is ±inf and p 0, or both NaN if the mean is 0 too. Raises ValueError for different shapes or a negative margin.
    Values must be finite (not checked).
    """
    left, right = vector(variant, "variant"), vector(baseline, "baseline")
    if left.shape != right.shape:
        raise ValueError(f"variant has shape {left.shape} and baseline {right.shape}; they must be equal")
    scale = float(max(np.abs(left).max(initial=0.0), np.abs(right).max(initial=0.0)))
    of = summary(left - right, scale, resolution / np.sqrt(6.0))
    tests = of.tests(margin)
    return Paired(
        n=of.n,
        mean=float(of.mean),
        sd=float(of.sd),
        se=float(of.se),
        t=float(of.t()),
        p=tests.p,
        ci=of.interval(fraction(alpha if level is None else level, "level")),
        ci95=of.interval(0.05),
        ci90=of.interval(0.10),
        g_z=_effect_size(of),
        rho=_correlation(left, right),
        p_tost=tests.p_tost,
        p_nogain=tests.p_nogain,
        p_beyond=tests.p_beyond,
    )


def threshold(values: ArrayLike, bound: float, level: float = 0.05, resolution: float = 0.0) -> Threshold:
    """Both one-sided one-sample t tests of values [seed] against `bound`, with the t interval at 1 - `level`.

    Too few seeds, no spread and `resolution` as in `paired` (se at least resolution / sqrt(12 n)). Raises ValueError for another
    shape. Values must be finite (not checked).
    """
    return threshold_of(summary(vector(values, "values"), least_sd=resolution / np.sqrt(12.0)), bound, level)


def threshold_of(of: Summary, bound: float, level: float) -> Threshold:
    """The tests of a summary's mean against `bound`."""
    return Threshold(
        n=of.n,
        mean=float(of.mean),
        sd=float(of.sd),
        se=float(of.se),
        t=float(of.t(bound)),
        p_above=float(of.p_above(bound)),
        p_below=float(of.p_below(bound)),
        ci=of.interval(fraction(level, "level")),
    )


def _effect_size(of: Summary) -> float:
    # With two seeds the correction factor is 0.
    if of.n < 3:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(of.mean / of.sd * correction(of.n))


def _correlation(left: Floats, right: Floats) -> float:
    spread_left, spread_right = float(summary(left).sd), float(summary(right).sd)
    if not spread_left * spread_right > 0:
        return np.nan
    products = (left - left.mean()) * (right - right.mean())
    return float(np.clip(products.sum() / ((len(left) - 1) * spread_left * spread_right), -1.0, 1.0))
