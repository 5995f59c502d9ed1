"""P values of a family -> p values that allow for its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.analysis.statistics.sample import Floats


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of p [test]: p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1, in the given order.

    A NaN stays NaN and still counts in m, as if it were the largest: a claim that cannot be tested makes none of the others
    easier. Holds for any dependence between the tests (Holm 1979). Raises ValueError for another shape or p outside [0, 1].
    """
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1:
        raise ValueError(f"p must be [test], not of shape {given.shape}")
    if np.any((given < 0) | (given > 1)):
        raise ValueError(f"p values lie in [0, 1], these do not: {given[(given < 0) | (given > 1)].tolist()}")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
