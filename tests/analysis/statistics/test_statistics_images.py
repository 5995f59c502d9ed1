"""Seeds crossed with images: against an analysis of variance, and how often the interval holds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from harness.analysis.statistics import crossed


def drawn(n: int, m: int, seeds: float, images: float, generator: np.random.Generator) -> np.ndarray:
    """Values [n, m] of mean 0 with random seeds and images of those spreads, and noise of spread 1."""
    return generator.normal(0, seeds, (n, 1)) + generator.normal(0, images, (1, m)) + generator.normal(0, 1, (n, m))


def test_an_analysis_of_variance_agrees() -> None:
    n, m = 4, 30
    values = drawn(n, m, 0.5, 1.5, np.random.default_rng(1))
    seed, image = np.indices((n, m)).reshape(2, -1)
    frame = pd.DataFrame({"y": values.ravel(), "seed": seed, "image": image})
    squares = anova_lm(ols("y ~ C(seed) + C(image)", frame).fit())["sum_sq"]
    ms_s, ms_e, ms_r = squares["C(seed)"] / (n - 1), squares["C(image)"] / (m - 1), squares["Residual"] / ((n - 1) * (m - 1))
    both = ms_s + ms_e - ms_r
    df = both**2 / (ms_s**2 / (n - 1) + ms_e**2 / (m - 1) + ms_r**2 / ((n - 1) * (m - 1)))
    se = math.sqrt(max(both, ms_s, ms_e) / (n * m))
    of = crossed(values)
    assert (of.mean, of.se, of.df) == pytest.approx((values.mean(), se, max(df, n - 1)))
    assert of.ci95 == pytest.approx((values.mean() - stdtrit(of.df, 0.975) * se, values.mean() + stdtrit(of.df, 0.975) * se))


def test_new_images_make_the_interval_wider_than_seeds_alone() -> None:
    values = drawn(5, 200, 0.1, 3.0, np.random.default_rng(2))
    assert crossed(values).se > np.std(values.mean(axis=1), ddof=1) / math.sqrt(5)


@pytest.mark.parametrize(("seeds", "images"), [(0.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.3, 1.0)])
def test_the_interval_holds_the_mean_19_times_in_20_or_more(seeds: float, images: float) -> None:
    generator, draws = np.random.default_rng(3), 1000
    intervals = [crossed(drawn(5, 40, seeds, images, generator)).ci95 for _ in range(draws)]
    held = np.mean([low <= 0 <= high for low, high in intervals])
    assert held >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / draws)


@pytest.mark.parametrize("shape", [(1, 50), (5, 1), (1, 1)])
def test_one_seed_or_one_image_has_no_interval(shape: tuple[int, int]) -> None:
    of = crossed(np.ones(shape))
    assert of.mean == 1
    assert all(math.isnan(value) for value in (of.se, of.df, *of.ci95))


def test_without_spread_the_interval_is_a_point() -> None:
    assert crossed(np.zeros((3, 10))).ci95 == (0, 0)


def test_other_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"differences must have axes \[seed, image\], got shape \(3,\)"):
        crossed([1, 2, 3])
    with pytest.raises(ValueError, match=r"must not be empty, got shape \(0, 5\)"):
        crossed(np.zeros((0, 5)))
