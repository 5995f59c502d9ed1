"""Correction for multiple comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.analysis.statistics.sample import Floats


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of p [test]: p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1, in the given order.

    NaN stays NaN and counts in m as the largest: an untestable claim does not make the others easier. Valid for any dependence
    between the tests (Holm 1979). Raises ValueError for another shape or p outside [0, 1].
    """
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1:
        raise ValueError(f"p must have axes [test], got shape {given.shape}")
    if np.any((given < 0) | (given > 1)):
        raise ValueError(f"p values must lie in [0, 1], got {given[(given < 0) | (given > 1)].tolist()}")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
