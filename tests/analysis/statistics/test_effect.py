"""Effect size and probability of improvement: the reference, scipy, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import nct, norm
from simulated import BASE, LEAKY

from harness.analysis.statistics import effect, paired

DIFFERENCES = np.array(LEAKY) - np.array(BASE)


def test_the_effect_size_is_that_of_the_reference_table() -> None:
    assert effect(DIFFERENCES).g_z == pytest.approx(2.7556, abs=5e-5)
    assert effect([0.42, 0.18, 0.36]).g_z == pytest.approx(1.4455, abs=5e-5)
    assert effect(DIFFERENCES).g_z == pytest.approx(paired(LEAKY, BASE, None).g_z)


@pytest.mark.parametrize("values", [DIFFERENCES, -DIFFERENCES, [0.42, 0.18, 0.36], [0.1, -0.3, 0.2, 0.05, -0.1, 0.15]])
def test_the_observed_t_lies_at_the_quantiles_of_its_bounds(values: list[float]) -> None:
    found, n = effect(values), len(values)
    t = np.mean(values) / (np.std(values, ddof=1) / math.sqrt(n))
    low, high = (bound * math.sqrt(n) for bound in found.g_z_ci)
    assert (nct.cdf(t, n - 1, low), nct.cdf(t, n - 1, high)) == pytest.approx((0.975, 0.025), abs=2e-3)
    assert found.improvement_ci == pytest.approx(tuple(norm.cdf(found.g_z_ci)))
    assert found.improvement == pytest.approx(norm.cdf(found.g_z))


def test_better_and_worse_are_mirror_images() -> None:
    better, worse = effect(DIFFERENCES), effect(-DIFFERENCES)
    assert worse.g_z_ci == pytest.approx(tuple(-bound for bound in reversed(better.g_z_ci)), abs=1e-4)
    assert worse.improvement == pytest.approx(1 - better.improvement)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.2], [0.3, 0.3, 0.3]])
def test_too_few_seeds_or_no_spread_have_none(values: list[float]) -> None:
    found = effect(values)
    assert all(map(math.isnan, (found.g_z, *found.g_z_ci, found.improvement, *found.improvement_ci)))


@pytest.mark.parametrize("n", [3, 5, 20])
def test_the_intervals_cover_the_truth_in_95_percent(n: int) -> None:
    generator, draws, truth = np.random.default_rng(n), 600, 0.8
    covered = 0
    for values in generator.normal(truth, 1.0, (draws, n)):
        low, high = effect(values).g_z_ci
        covered += low <= truth <= high
    assert covered / draws == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / draws))
