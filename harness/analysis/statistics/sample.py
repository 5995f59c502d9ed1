"""Mean, standard deviation and t statistics over seeds, shared by all tests.

Values must be finite (not checked): callers drop runs without a value. Undefined results are NaN, without warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

# Relative to the values; smaller differences are rounding errors: 93.3 - 93.1 and 93.2 - 93.0 differ by 1e-14.
ROUNDING = 1e-12


class Tests(NamedTuple):
    """P values of a mean, in terms of a true mean and a margin δ."""

    p: float  # two-sided: small when it is not 0
    p_tost: float  # small when it lies within ±δ
    p_nogain: float  # small when it lies below +δ
    p_beyond: float  # small when it lies outside ±δ


@dataclass(frozen=True)
class Summary:
    """The number of seeds of values [seed, ...], and arrays [...] of mean, sd (ddof 1) and se, with its degrees of freedom.

    se = sd / sqrt(n), but at least that of the rounding error of the values; df = n - 1.
    """

    n: int
    mean: Floats
    sd: Floats
    se: Floats
    df: float

    def t(self, bound: float = 0.0) -> Floats:
        """(mean - bound) / se: infinite if se is 0, NaN if the mean also equals the bound."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.mean - bound) / self.se)

    def p_above(self, bound: float = 0.0) -> Floats:
        """P(T >= t): small when the mean lies above the bound."""
        return upper_tail(self.t(bound), self.df)

    def p_below(self, bound: float = 0.0) -> Floats:
        """P(T <= t): small when the mean lies below the bound."""
        return upper_tail(-self.t(bound), self.df)

    def interval(self, level: float) -> Interval:
        """mean ± t_{1 - level/2, df} se, of one sample."""
        half = float(scipy.special.stdtrit(self.df, 1 - level / 2) * self.se) if self.df >= 1 else np.nan
        return float(self.mean) - half, float(self.mean) + half

    def tests(self, margin: float | None) -> Tests:
        """The tests of one mean; without a margin those of the margin are NaN."""
        p = float(2 * np.minimum(self.p_above(), self.p_below()))
        if margin is None:
            return Tests(p, np.nan, np.nan, np.nan)
        if margin < 0:
            raise ValueError(f"margin must not be negative, got {margin!r}")
        return Tests(
            p,
            p_tost=float(np.maximum(self.p_above(-margin), self.p_below(margin))),
            p_nogain=float(self.p_below(margin)),
            p_beyond=float(np.minimum(1.0, 2 * np.minimum(self.p_above(margin), self.p_below(-margin)))),
        )


def summary(values: Floats, scale: float | None = None, least_sd: float = 0.0) -> Summary:
    """Summary of values [seed, ...]. A mean or sd that is rounding error relative to `scale` (the largest |value|) is 0.

    `least_sd`: the standard deviation of the values' rounding error, which their true spread is not known to lie below.
    """
    n = len(values)
    undefined = np.full(values.shape[1:], np.nan)
    least = ROUNDING * (np.abs(values).max(initial=0.0) if scale is None else scale)
    mean = without_rounding(values.mean(axis=0), least) if n else undefined
    sd = without_rounding(values.std(axis=0, ddof=1), least) if n > 1 else undefined
    return Summary(n, mean, sd, np.maximum(sd, least_sd) / np.sqrt(max(n, 1)), n - 1)


def upper_tail(t: Floats, df: float) -> Floats:
    """P(T_df >= t); NaN where t is NaN or df < 1."""
    return np.asarray(scipy.special.stdtr(df, -t)) if df >= 1 else np.full(np.shape(t), np.nan)


def critical(level: float, df: int) -> float:
    """The t value that a one-sided test at `level` needs."""
    return float(scipy.special.stdtrit(df, 1 - level))


def vector(values: ArrayLike, name: str) -> Floats:
    """`values` as an array [seed]. Raises ValueError for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have axes [seed], got shape {array.shape}")
    return array


def table(values: ArrayLike, name: str, axes: str = "[seed, dose]") -> Floats:
    """`values` as an array with two axes. Raises ValueError for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name} must have axes {axes}, got shape {array.shape}")
    return array


def fraction(value: float, name: str) -> float:
    """`value` if it lies between 0 and 1. Raises ValueError otherwise."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return value


def without_rounding(values: Floats, least: float) -> Floats:
    """0 where a value is at most `least`."""
    return np.where(np.abs(values) <= least, 0.0, values)
