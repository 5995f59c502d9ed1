"""Tests about numeric factors (doses): which dose is the best, and how the response changes with the dose.

Values are [seed, dose], doses increase, higher is better, paired by seed. Values must be finite (not checked). `resolution` is
the step of the values: no standard error is smaller than that of their rounding errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.analysis.statistics.multiple import holm
from harness.analysis.statistics.sample import Floats, Interval, Summary, fraction, summary, table


@dataclass(frozen=True)
class Decline:
    """A decline over doses. NaN: not defined."""

    slope: float  # unit of the values per unit of dose; positive = decline
    t: float
    p: float  # one-sided, P(T >= t): small when there is a decline
    rises: Floats  # [dose - 1]: Holm-adjusted one-sided p that a dose is better than the previous one
    sd: float  # of the slopes over seeds, ddof 1
    ci: Interval  # of the slope, at 1 - alpha
    by_seed: Floats = field(compare=False)  # [seed]: the slopes


@dataclass(frozen=True)
class ProportionalGain:
    """How much steeper the response is below a dose than above it. NaN: not defined."""

    mean: float  # slope before minus slope beyond, unit of the values per unit of dose
    p: float  # one-sided, P(T >= t): small when the response flattens
    t: float
    sd: float  # over seeds, ddof 1
    ci: Interval  # at 1 - level
    by_seed: Floats = field(compare=False)  # [seed]


def best_in_range(values: ArrayLike, in_range: ArrayLike, margin: float, resolution: float = 0.0) -> float:
    """P value of "the best dose in the range R is at least the best outside minus the margin δ".

    min(1, |R| * min over i in R of max over j outside R of P(T >= (mean(i - j) + δ) / se(i - j))): intersection-union over the
    doses outside, Bonferroni over those inside. `in_range` is a mask [dose]. NaN if no dose in R can be tested. Raises ValueError
    for shapes that do not match, a negative margin, or a range with no dose or all doses.
    """
    array, mask = _with_range(values, in_range, margin)
    worst = _differences(array[:, mask], array[:, ~mask], resolution).p_above(-margin).max(axis=1)
    testable = worst[~np.isnan(worst)]
    return float(min(1.0, mask.sum() * testable.min())) if testable.size else np.nan


def best_outside_range(values: ArrayLike, in_range: ArrayLike, margin: float, resolution: float = 0.0) -> float:
    """P value of "the best dose in the range R is worse than the best outside by more than the margin δ".

    The least α at which no dose of R, raised by δ, is among `possible_optima`: the maximum over i in R of
    min(1, (K - 1) min over other doses j of P(T >= t of j minus i raised)). NaN if no dose can be tested; raises like
    `best_in_range`.
    """
    array, mask = _with_range(values, in_range, margin)
    beaten = _differences(array + margin * mask, array + margin * mask, resolution).p_above()
    np.fill_diagonal(beaten, np.nan)
    least = np.where(np.isnan(beaten), np.inf, beaten).min(axis=0)[mask]
    return float(min(1.0, (len(mask) - 1) * least.max())) if np.isfinite(least).all() else np.nan


def _with_range(values: ArrayLike, in_range: ArrayLike, margin: float) -> tuple[Floats, NDArray[np.bool_]]:
    array, mask = table(values, "values"), np.asarray(in_range, dtype=bool)
    if mask.shape != array.shape[1:]:
        raise ValueError(f"in_range has shape {mask.shape} where values of shape {array.shape} need {array.shape[1:]}")
    if not mask.any() or mask.all():
        raise ValueError(f"in_range must select some of the {mask.size} doses, not {'all' if mask.any() else 'none'}")
    if margin < 0:
        raise ValueError(f"margin must not be negative, got {margin!r}")
    return array, mask


def possible_optima(values: ArrayLike, alpha: float, resolution: float = 0.0) -> NDArray[np.bool_]:
    """Mask [dose] of possible best doses: no other is significantly better, one-sided paired t at alpha / (K - 1) for K doses.

    Contains the best dose with probability 1 - alpha (Bonferroni over K - 1 others); never empty for alpha up to 1/2. With too
    few seeds it contains every dose. Raises ValueError for another shape.
    """
    array = table(values, "values")
    doses = array.shape[1]
    beaten = _differences(array, array, resolution).p_above() < fraction(alpha, "alpha") / max(doses - 1, 1)
    return np.asarray(~beaten.any(axis=0))


def declines_beyond(values: ArrayLike, doses: ArrayLike, alpha: float, resolution: float = 0.0) -> Decline:
    """Test of the per-seed least-squares slope over the doses [dose], which start at the knee; a decline is positive.

    slope_i = -Σ_d (x_d - x̄) y_id / Σ_d (x_d - x̄)², one-sided t over seeds; its interval at 1 - alpha. `rises` is a Holm family
    of its own: the one-sided paired t test of each dose against the previous one. Raises ValueError for shapes that do not match,
    doses that do not increase, or fewer than two.
    """
    array, at = _with_doses(values, doses)
    if at.ndim != 1:
        raise ValueError(f"doses must have axes [dose], got shape {at.shape}")
    if len(at) < 2:
        raise ValueError(f"a decline needs at least two doses, values have shape {array.shape}")
    slopes = -_slopes(array, at)
    of = summary(slopes, _largest(array) / float(np.ptp(at)), resolution / np.sqrt(12.0 * _squares(at)))
    rises = holm(summary(np.diff(array, axis=1), _largest(array), resolution / np.sqrt(6.0)).p_above())
    interval = of.interval(fraction(alpha, "alpha"))
    return Decline(float(of.mean), float(of.t()), float(of.p_above()), rises, float(of.sd), interval, slopes)


def no_proportional_gain(
    values: ArrayLike, doses: ArrayLike, beyond: ArrayLike, level: float = 0.05, resolution: float = 0.0
) -> ProportionalGain:
    """t test of the per-seed least-squares slope over doses <= x minus that over doses >= x, with x = `beyond` on both sides.

    Doses are [dose], or [seed, dose] if they differ by seed (such as parameter counts); then x may be [seed] too. Raises
    ValueError for shapes that do not match, doses that do not increase, or fewer than two on a side.
    """
    array, at = _with_doses(values, doses)
    at = np.broadcast_to(at, array.shape)
    knees = np.asarray(beyond, dtype=np.float64)
    if knees.ndim and knees.shape != array.shape[:1]:
        raise ValueError(f"beyond has shape {knees.shape} where values of shape {array.shape} need () or {array.shape[:1]}")
    knees = np.broadcast_to(knees, len(array))
    bends = np.array([_bend(*seed) for seed in zip(array, at, knees, strict=True)])
    # Of independent rounding errors of the two slopes, which share one dose.
    squares = [1 / _squares(own[own <= knee]) + 1 / _squares(own[own >= knee]) for own, knee in zip(at, knees, strict=True)]
    least_sd = resolution * np.sqrt(max(squares, default=0.0) / 12.0)
    of = summary(bends, _largest(array) / float(np.ptp(at, axis=1).max(initial=0.0) or 1.0), least_sd)
    interval = of.interval(fraction(level, "level"))
    return ProportionalGain(float(of.mean), float(of.p_above()), float(of.t()), float(of.sd), interval, bends)


def _differences(left: Floats, right: Floats, resolution: float) -> Summary:
    """Summary [i, j] over seeds of left[:, i] - right[:, j]."""
    return summary(left[:, :, None] - right[:, None, :], max(_largest(left), _largest(right)), resolution / np.sqrt(6.0))


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))


def _with_doses(values: ArrayLike, doses: ArrayLike) -> tuple[Floats, Floats]:
    array, at = table(values, "values"), np.asarray(doses, dtype=np.float64)
    if at.shape not in (array.shape[1:], array.shape):
        raise ValueError(f"doses have shape {at.shape} where values of shape {array.shape} need {array.shape[1:]}")
    if not np.all(np.diff(at, axis=-1) > 0):
        raise ValueError(f"doses must increase, got {at.tolist()}")
    return array, at


def _slopes(values: Floats, doses: Floats) -> Floats:
    """Least-squares slopes [...] of values [..., dose]."""
    return np.asarray(values @ (doses - doses.mean()) / _squares(doses))


def _squares(doses: Floats) -> float:
    return float(np.square(doses - doses.mean()).sum())


def _bend(values: Floats, doses: Floats, knee: float) -> float:
    """Slope up to the knee minus slope beyond it, for the values [dose] of one seed."""
    before, after = doses <= knee, doses >= knee
    if before.sum() < 2 or after.sum() < 2:
        raise ValueError(f"at least two doses are needed on each side of {knee:g}, got {doses.tolist()}")
    return float(_slopes(values[before], doses[before]) - _slopes(values[after], doses[after]))
