"""Confidence interval for new seeds and new test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from harness.analysis.statistics.sample import Interval, table


@dataclass(frozen=True)
class Crossed:
    """A mean over seeds and images with its interval, in the unit of the values (percentage points). NaN: not defined."""

    mean: float
    se: float
    df: float
    ci95: Interval


def crossed(differences: ArrayLike) -> Crossed:
    """Two-way random effects of values [seed, image] = 100 * (correct_variant - correct_baseline), without replication.

    With n seeds, m images and mean squares MS_s, MS_e (images), MS_r (residual): V = max(MS_s + MS_e - MS_r, MS_s, MS_e),
    se² = V / (n m); df = max(n - 1, (MS_s + MS_e - MS_r)² / (MS_s²/(n-1) + MS_e²/(m-1) + MS_r²/((n-1)(m-1)))), by Satterthwaite
    (1946). Wider than the interval over seeds alone, whose scope is this test set.

    All but the mean is NaN with fewer than 2 seeds or images. Raises ValueError for another shape or an empty array. Values must
    be finite (not checked).
    """
    values = table(differences, "differences", "[seed, image]")
    n, m = values.shape
    if values.size == 0:
        raise ValueError(f"differences must not be empty, got shape {values.shape}")
    mean = float(values.mean())
    if n < 2 or m < 2:
        return Crossed(mean, np.nan, np.nan, (np.nan, np.nan))
    seeds, images = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    residual = values - seeds - images + mean
    ms_seeds = m * float(np.square(seeds - mean).sum()) / (n - 1)
    ms_images = n * float(np.square(images - mean).sum()) / (m - 1)
    ms_residual = float(np.square(residual).sum()) / ((n - 1) * (m - 1))
    combined = ms_seeds + ms_images - ms_residual
    se = float(np.sqrt(max(combined, ms_seeds, ms_images) / (n * m)))
    noise = ms_seeds**2 / (n - 1) + ms_images**2 / (m - 1) + ms_residual**2 / ((n - 1) * (m - 1))
    df = max(float(n - 1), combined**2 / noise) if noise > 0 else float(n - 1)
    half = float(scipy.special.stdtrit(df, 0.975)) * se
    return Crossed(mean, se, df, (mean - half, mean + half))
