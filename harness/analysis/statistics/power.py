"""Power of paired t tests, equivalence tests and tests against a bound, and the number of seeds that they need.

sd is that of the paired differences, in the unit of the margin. Plan with the margin, never with an observed effect.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import scipy

from harness.analysis.statistics.sample import Floats, fraction

# Limits of the answers.
MIN_SEEDS = 3
MAX_SEEDS = 1_000

# What a claim tests: the sign of a mean (two-sided t test), that it lies within a margin (two one-sided tests, each at alpha), or
# that it does not exceed one (one-sided). The true mean for which power is computed: the margin; 0; 0.
Rule = Literal["direction", "equivalence", "bound"]


def power(n: int, margin: float, sd: float, alpha: float = 0.05, *, rule: Rule = "direction") -> float:
    """The power of a test with n seeds at `alpha`.

    direction: 1 - F(t) + F(-t) with F the noncentral t distribution, n - 1 degrees of freedom, noncentrality
    |margin| sqrt(n) / sd, and t = t_{1 - alpha/2, n - 1}; bound: 1 - F(t_{1 - alpha, n - 1}). Raises ValueError for n < 2 or a
    negative sd.
    """
    _check(n, sd, alpha)
    if sd == 0:
        return 1.0 if margin else alpha
    return _power(n, abs(margin) / sd, alpha, rule)


def detectable(n: int, sd: float, alpha: float = 0.05, power: float = 0.8, *, rule: Rule = "direction") -> float:
    """The margin for which n seeds have that power, to 1e-6: of a direction, the difference that they detect.

    Raises ValueError like the function `power`, and if `power` does not exceed `alpha`.
    """
    _check(n, sd, alpha)
    _check_power(power, alpha)
    low, high = 0.0, 1.0
    while _power(n, high, alpha, rule) < power:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _power(n, middle, alpha, rule) < power else (low, middle)
    return float(high * sd)


def seeds_needed(
    sd: float, margin: float, alpha: float = 0.05, power: float = 0.8, *, rule: Rule = "direction", samples: float = 1.0
) -> int | None:
    """The fewest seeds, at least 3, that reach `power`; None if 1,000 (`MAX_SEEDS`) do not.

    `samples`: n seeds have this times n - 1 degrees of freedom, if sd is that of a sum of several independent samples of n.
    Raises ValueError for a margin that is not positive.
    """
    _check(MIN_SEEDS, sd, alpha)
    _check_power(power, alpha)
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin!r}")
    return MIN_SEEDS if sd == 0 else _fewest(lambda n: _power(n, margin / sd, alpha, rule, samples) >= power)


def seeds_range(
    sd: float, n: int, margin: float, alpha: float = 0.05, power: float = 0.8, *, rule: Rule = "direction"
) -> tuple[int | None, int | None]:
    """`seeds_needed` if the true sd is that of n seeds, and if it is its upper 80 % confidence limit.

    The limit is sd * sqrt(ν / χ²_{.2, ν}), ν = n - 1. Raises ValueError like `seeds_needed`.
    """
    _check(n, sd, alpha)
    limit = sd * float(np.sqrt((n - 1) / scipy.special.chdtri(n - 1, 0.8)))
    low, high = (seeds_needed(each, margin, alpha, power, rule=rule) for each in (sd, limit))
    return low, high


def single_power(together: int, power: float = 0.8) -> float:
    """The power of each of several independent tests that all reject with probability `power`."""
    return float(power ** (1 / together))


def _power(n: int, effect: float, alpha: float, rule: Rule, samples: float = 1.0) -> float:
    """`effect`: margin / sd; `samples` as in `seeds_needed`."""
    df = samples * (n - 1)
    if rule == "equivalence":
        return _power_of_equivalence(n, df, effect, alpha)
    noncentrality = effect * np.sqrt(n)
    critical = scipy.special.stdtrit(df, 1 - (alpha if rule == "bound" else alpha / 2))
    found = 1 - scipy.special.nctdtr(df, noncentrality, critical)
    # Rejection with the wrong sign: below Φ(-5) < 3e-7 beyond a noncentrality of 5, where scipy may give NaN.
    wrong = scipy.special.nctdtr(df, noncentrality, -critical) if rule == "direction" and noncentrality < 5 else 0.0
    return float(found + wrong)


def _power_of_equivalence(n: int, df: float, margin: float, alpha: float) -> float:
    """P(|mean| + t se < margin) at a true difference of 0 and sd 1: E over s of 2 Φ(margin sqrt(n) - t s) - 1, where positive.

    s is the sample sd, ν s² ~ χ²_ν; Gauss-Legendre over ten of its standard errors around 1.
    """
    critical = scipy.special.stdtrit(df, 1 - alpha)
    width = 10 / np.sqrt(2 * df)
    low, high = max(0.0, 1 - width), min(1 + width, margin * np.sqrt(n) / critical)
    if high <= low:
        return 0.0
    nodes, weights = _quadrature()
    s = low + (high - low) * (nodes + 1) / 2
    log_density = np.log(2) + df / 2 * np.log(df / 2) - scipy.special.gammaln(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    inside = 2 * scipy.special.ndtr(margin * np.sqrt(n) - critical * s) - 1
    return float((high - low) / 2 * np.sum(weights * np.exp(log_density) * inside))


@cache
def _quadrature() -> tuple[Floats, Floats]:
    """Nodes in (-1, 1) and their weights."""
    return np.polynomial.legendre.leggauss(64)


def _fewest(reached: Callable[[int], bool]) -> int | None:
    """The least n from MIN_SEEDS to MAX_SEEDS with `reached(n)`, which is monotonic; None if there is none."""
    low, high = MIN_SEEDS, MIN_SEEDS
    while not reached(high):
        if high == MAX_SEEDS:
            return None
        low, high = high + 1, min(2 * high, MAX_SEEDS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def _check(n: int, sd: float, alpha: float) -> None:
    if n < 2:
        raise ValueError(f"a paired test needs at least 2 seeds, got {n}")
    if not 0 <= sd < np.inf:
        raise ValueError(f"sd must be finite and not negative, got {sd!r}")
    fraction(alpha, "alpha")


def _check_power(power: float, alpha: float) -> None:
    if not alpha < power < 1:
        raise ValueError(f"power must lie between alpha = {alpha!r} and 1, got {power!r}")
