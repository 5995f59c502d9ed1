"""How likely further seeds are to decide a test, given the seeds so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from harness.analysis.statistics.sample import Floats, table, upper_tail

POINTS = 2_048  # of the integral: probabilities are exact to about 1 %
DRAWS = 1_000  # of doses


@dataclass(frozen=True)
class FurtherLook:
    """A look that may come, and the levels of its tests (0: no such test).

    `difference`: two-sided, of a mean of 0; `beyond`: two-sided, of a mean within ±margin; `equivalence`: one-sided, each of two;
    `below` and `above`: one-sided, of a mean of at least +margin, and of at most 0.
    """

    n: int
    difference: float = 0.0
    beyond: float = 0.0
    equivalence: float = 0.0
    below: float = 0.0
    above: float = 0.0


def predictive_power(mean: float, sd: float, n: int, margin: float, looks: Sequence[FurtherLook]) -> float:
    """The probability that any test of the looks rejects, with n >= 2 seeds of that mean and standard deviation (ddof 1) so far.

    Normal values, flat priors for mean and log sd: σ² is ν sd² / χ²_ν, the true mean normal around `mean` with σ / sqrt(n),
    ν = n - 1 (Spiegelhalter et al. 1986). The integral is a sum over fixed quasi-random points: every machine gets the same.
    """
    if sd <= 0 or not looks:
        return 1.0
    dimensions, df = 2 + 2 * len(looks), n - 1
    normal = _normal(dimensions)
    sigma = sd * np.sqrt(df / _chi_squared(dimensions, 0, df))
    truth = mean + sigma / np.sqrt(n) * normal[1]
    count, means, squares = n, np.full(POINTS, mean), np.full(POINTS, df * sd**2)
    decided = np.zeros(POINTS, dtype=bool)
    for place, look in enumerate(looks):
        new = look.n - count
        shift = truth + sigma / np.sqrt(new) * normal[2 + 2 * place] - means
        if new > 1:
            squares = squares + sigma**2 * _chi_squared(dimensions, 3 + 2 * place, new - 1)
        squares = squares + shift**2 * count * new / look.n
        means = means + shift * new / look.n
        count = look.n
        decided |= _rejects(look, margin, means, np.sqrt(squares / (count - 1) / count))
    return float(decided.mean())


def predictive_best_in_range(
    values: ArrayLike, in_range: ArrayLike, margin: float, looks: Sequence[tuple[int, float, float]]
) -> float:
    """The same for the two tests of `best_in_range` and `best_outside_range`, with values [seed, dose] so far.

    `looks`: numbers of seeds, with the levels of the two tests. Future seeds are the mean plus normal combinations of the
    residuals of the seeds so far, which have their covariance; `DRAWS` simulated futures, the same on every machine.
    """
    seen, mask = table(values, "values"), np.asarray(in_range, dtype=bool)
    n, doses = seen.shape
    residuals = (seen - seen.mean(axis=0)) / np.sqrt(n - 1)
    if not looks or not residuals.any():
        return 1.0
    generator = np.random.default_rng(0)
    scale = np.sqrt((n - 1) / generator.chisquare(n - 1, (DRAWS, 1, 1)))
    noise = scale * (generator.standard_normal((DRAWS, looks[-1][0] - n + 1, n)) @ residuals)  # [draw, seed, dose]
    truth = seen.mean(axis=0) + noise[:, :1] / np.sqrt(n)
    futures = np.concatenate([np.broadcast_to(seen, (DRAWS, n, doses)), truth + noise[:, 1:]], axis=1)
    raised = margin * mask
    decided = np.zeros(DRAWS, dtype=bool)
    for count, holds, fails in looks:
        own = futures[:, :count]
        centred = own - own.mean(axis=1, keepdims=True)
        covariance = centred.swapaxes(1, 2) @ centred / (count - 1) / count
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        se = np.sqrt(np.maximum(variance[:, :, None] + variance[:, None, :] - 2 * covariance, 1e-300))
        means = own.mean(axis=1) + raised
        above = upper_tail((means[:, :, None] - means[:, None, :]) / se, count - 1)  # [draw, dose, other]: dose is better
        p_holds = mask.sum() * above[:, mask][:, :, ~mask].max(axis=2).min(axis=1)
        beaten = np.where(np.eye(doses, dtype=bool), 1.0, above).min(axis=1)[:, mask]
        decided |= (p_holds < holds) | ((doses - 1) * beaten.max(axis=1) < fails)
    return float(decided.mean())


def _rejects(look: FurtherLook, margin: float, mean: Floats, se: Floats) -> NDArray[np.bool_]:
    def critical(level: float) -> Floats:
        return scipy.special.stdtrit(look.n - 1, 1 - level) * se if level > 0 else np.full(len(se), np.inf)

    found: NDArray[np.bool_] = (
        (np.abs(mean) > critical(look.difference / 2))
        | (np.abs(mean) - margin > critical(look.beyond / 2))
        | (margin - np.abs(mean) > critical(look.equivalence))
        | (margin - mean > critical(look.below))
        | (mean > critical(look.above))
    )
    return found


@cache
def _normal(dimensions: int) -> Floats:
    """Standard normal values [dimension, POINTS]."""
    found: Floats = scipy.special.ndtri(_points(dimensions))
    return found


@cache
def _chi_squared(dimensions: int, dimension: int, df: int) -> Floats:
    """Values [POINTS] of a chi-squared distribution, from one dimension of the points."""
    found: Floats = scipy.special.chdtri(df, _points(dimensions)[dimension])
    return found


@cache
def _points(dimensions: int) -> Floats:
    """Quasi-random points [dimension, POINTS] in (0, 1): Kronecker's sequence with the powers of a generalised golden ratio."""
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1.0, dimensions + 1)
    found: Floats = (0.5 + steps[:, None] * np.arange(1, POINTS + 1)) % 1.0
    return np.clip(found, 1e-12, 1 - 1e-12)
