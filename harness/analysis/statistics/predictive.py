"""How likely further seeds are to decide a test, given the seeds so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtri, stdtrit

from harness.analysis.statistics.sample import Floats

POINTS = 2_048  # of the integral: probabilities are exact to about 1 %


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
    points = _points(2 + 2 * len(looks))
    df = n - 1
    sigma = sd * np.sqrt(df / chdtri(df, points[0]))
    truth = mean + sigma / np.sqrt(n) * ndtri(points[1])
    count, means, squares = n, np.full(POINTS, mean), np.full(POINTS, df * sd**2)
    decided = np.zeros(POINTS, dtype=bool)
    for place, look in enumerate(looks):
        new = look.n - count
        shift = truth + sigma / np.sqrt(new) * ndtri(points[2 + 2 * place]) - means
        if new > 1:
            squares = squares + sigma**2 * chdtri(new - 1, points[3 + 2 * place])
        squares = squares + shift**2 * count * new / look.n
        means = means + shift * new / look.n
        count = look.n
        decided |= _rejects(look, margin, means, np.sqrt(squares / (count - 1) / count))
    return float(decided.mean())


def _rejects(look: FurtherLook, margin: float, mean: Floats, se: Floats) -> NDArray[np.bool_]:
    def critical(level: float) -> Floats:
        return stdtrit(look.n - 1, 1 - level) * se if level > 0 else np.full(len(se), np.inf)

    found: NDArray[np.bool_] = (
        (np.abs(mean) > critical(look.difference / 2))
        | (np.abs(mean) - margin > critical(look.beyond / 2))
        | (margin - np.abs(mean) > critical(look.equivalence))
        | (margin - mean > critical(look.below))
        | (mean > critical(look.above))
    )
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
