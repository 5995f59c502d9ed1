"""Corrections for multiple comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.analysis.statistics.sample import Floats


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of p [test]: p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1, in the given order.

    NaN stays NaN and counts in m as the largest: an untestable claim does not make the others easier. Valid for any dependence
    between the tests (Holm 1979). Raises ValueError for another shape or p outside [0, 1].
    """
    given = _checked(p)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """The q values of p [test], p_(i) -> min over j >= i of m p_(j) / j, in the given order.

    Of the tests with q <= x at most the share x is false on average, for independent or positively dependent tests (Benjamini and
    Hochberg 1995). Raises ValueError for another shape or p that is NaN or outside [0, 1].
    """
    given = _checked(p)
    if np.any(np.isnan(given)):
        raise ValueError("p values must not be NaN")
    order = np.argsort(given, kind="stable")
    scaled = given[order] * len(given) / np.arange(1, len(given) + 1)
    q = np.empty_like(given)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return q


def _checked(p: ArrayLike) -> Floats:
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1:
        raise ValueError(f"p must have axes [test], got shape {given.shape}")
    if np.any((given < 0) | (given > 1)):
        raise ValueError(f"p values must lie in [0, 1], got {given[(given < 0) | (given > 1)].tolist()}")
    return given
