"""Welch's tests of independent samples: references, undefined numbers, runs needed, and how often they err."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from lengths import LONG
from scipy.special import stdtr
from scipy.stats import ttest_1samp, ttest_ind
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.weightstats import ttost_ind

from harness.analysis.statistics import paired, runs_needed, threshold, unpaired, unpaired_threshold

ONE = [93.41, 93.30, 93.49, 93.44, 93.20]
OTHER = [93.12, 92.87, 93.25, 93.01, 92.95, 93.4, 92.1]
LEVEL = 0.05


def test_a_difference_is_tested_as_by_scipy_and_statsmodels() -> None:
    found, known = unpaired([ONE, OTHER], [1, -1], 0.25, 0.01), ttest_ind(ONE, OTHER, equal_var=False)
    assert (found.t, found.p, found.df) == pytest.approx((known.statistic, known.pvalue, known.df))
    assert found.ci == pytest.approx(known.confidence_interval(0.99))
    assert (found.runs, found.n) == ((5, 7), 5)
    p_tost, above, below = ttost_ind(ONE, OTHER, -0.25, 0.25, usevar="unequal")
    assert found.p_tost == pytest.approx(p_tost)
    assert found.p_nogain == pytest.approx(below[1])
    assert found.p_beyond == pytest.approx(2 * (1 - below[1]))
    assert unpaired([OTHER, ONE], [1, -1], 0.25).p_nogain == pytest.approx(above[1])


def test_a_contrast_has_the_standard_error_and_freedom_of_its_samples() -> None:
    samples, weights = [ONE, OTHER, [90.0, 91.0, 90.5], [91.0, 91.2, 92.0, 91.1]], np.array([1.0, -1.0, -1.0, 1.0])
    v = weights**2 * np.array([np.var(each, ddof=1) / len(each) for each in samples])
    df = v.sum() ** 2 / np.sum(v**2 / np.array([4, 6, 2, 3]))
    mean = float(weights @ np.array([np.mean(each) for each in samples]))
    found = unpaired(samples, weights.tolist(), None)
    assert (found.mean, found.se, found.df) == pytest.approx((mean, np.sqrt(v.sum()), df))
    assert found.p == pytest.approx(2 * stdtr(df, -abs(mean) / np.sqrt(v.sum())))
    assert math.isnan(found.p_tost)


def test_one_sample_is_the_one_sample_t_test() -> None:
    found, known = unpaired_threshold([ONE], [1.0], 93.2), threshold(ONE, 93.2)
    assert (found.t, found.p_above, found.p_below, *found.ci) == pytest.approx((known.t, known.p_above, known.p_below, *known.ci))
    assert found.p_above == pytest.approx(ttest_1samp(ONE, 93.2, alternative="greater").pvalue)


def test_a_mean_of_two_samples_is_compared_with_a_number() -> None:
    found = unpaired_threshold([ONE, OTHER], [0.5, 0.5], 93.0)
    assert found.mean == pytest.approx((np.mean(ONE) + np.mean(OTHER)) / 2)
    assert found.se == pytest.approx(math.sqrt(np.var(ONE, ddof=1) / 20 + np.var(OTHER, ddof=1) / 28))


@pytest.mark.parametrize("samples", [[ONE, [93.0]], [ONE, []], [[93.0], [93.0]]])
def test_a_sample_with_fewer_than_two_values_has_no_test(samples: Sequence[Sequence[float]]) -> None:
    found = unpaired(samples, [1, -1], 0.25)
    assert all(map(math.isnan, (found.sd, found.se, found.t, found.p, found.p_tost, found.p_nogain, found.p_beyond, *found.ci)))
    assert math.isnan(found.mean) == (not samples[1])


def test_without_spread_the_numbers_are_those_of_paired_values() -> None:
    for one, other in (([1.0] * 3, [1.0] * 3), ([1.0] * 3, [2.0] * 3), ([93.3] * 4, [93.3 + 1e-14] * 4)):
        ours, theirs = unpaired([one, other], [1, -1], 0.5), paired(one, other, 0.5)
        for name in ("mean", "sd", "se", "t", "p", "p_tost", "p_nogain", "p_beyond"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), nan_ok=True), name


def test_the_resolution_bounds_each_spread_from_below() -> None:
    found = unpaired([[90.0, 90.0, 90.0], [89.0, 89.0, 89.0, 89.0]], [1, -1], None, resolution=0.6)
    assert found.se == pytest.approx(math.sqrt(0.36 / 12 * (1 / 3 + 1 / 4)))
    assert 0 < found.p < 0.05
    coarse = unpaired([ONE, OTHER], [1, -1], None, resolution=0.01)
    # repr: since Python 3.13 nan makes dataclasses unequal
    assert repr(coarse) == repr(unpaired([ONE, OTHER], [1, -1], None))


@pytest.mark.parametrize(("samples", "weights", "margin"), [([ONE], [1, -1], 0.1), ([], [], 0.1), ([ONE, OTHER], [1, -1], -1.0)])
def test_wrong_arguments_are_refused(samples: list[list[float]], weights: list[float], margin: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        unpaired(samples, weights, margin)


def test_the_runs_needed_are_those_of_statsmodels() -> None:
    one, other = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]  # equal variances
    low, high = runs_needed(unpaired([one, other], [1, -1], 1.0), 1.0, LEVEL)
    needed = TTestIndPower().solve_power(1.0 / np.std(one, ddof=1), alpha=LEVEL, power=0.8)
    assert low == math.ceil(needed)
    assert high is not None
    assert high > low
    assert runs_needed(unpaired([one, other], [1, -1], 1.0), 0.001, LEVEL) == (None, None)
    assert runs_needed(unpaired([[1.0] * 3, [1.0] * 3], [1, -1], 1.0), 0.1, LEVEL) == (3, 3)


def test_the_runs_needed_for_equivalence_reach_their_power() -> None:
    generator, sd = np.random.default_rng(7), np.array([[1.0], [2.0]])
    found = unpaired([generator.normal(0, 1, 400), generator.normal(0, 2, 400)], [1, -1], 1.0)
    n, _ = runs_needed(found, 1.0, LEVEL, rule="equivalence")
    assert n is not None
    values = [own * generator.normal(size=(n, 4_000)) for own in sd]
    p_tost = np.maximum(p_nogain(values, 1.0), p_nogain(values[::-1], 1.0))
    assert np.mean(p_tost < LEVEL) == pytest.approx(0.8, abs=0.04)


def p_nogain(values: Sequence[np.ndarray], margin: float) -> np.ndarray:
    """P value [draw] that the difference of two samples [run, draw] is below the margin, as a reference."""
    v = [each.var(axis=0, ddof=1) / len(each) for each in values]
    df = (v[0] + v[1]) ** 2 / (v[0] ** 2 / (len(values[0]) - 1) + v[1] ** 2 / (len(values[1]) - 1))
    return np.asarray(stdtr(df, (values[0].mean(axis=0) - values[1].mean(axis=0) - margin) / np.sqrt(v[0] + v[1])))


# ---------------------------------------------------------------------------------------------------------- error rates


@pytest.fixture(params=[1_000, pytest.param(5_000 * LONG, marks=pytest.mark.slow)])
def draws(request: pytest.FixtureRequest) -> int:
    """How many experiments to simulate."""
    return int(request.param)


def simulated(sizes: tuple[int, ...], sds: tuple[float, ...], draws: int, mean: float = 0.0) -> list:
    """The tests of the first sample, whose true mean is `mean`, against the mean of the others."""
    generator = np.random.default_rng(sum(sizes))
    weights = [1.0, *([-1.0 / (len(sizes) - 1)] * (len(sizes) - 1))]
    samples = [generator.normal(0.0, sd, (draws, n)) for n, sd in zip(sizes, sds, strict=True)]
    samples[0] += mean
    return [unpaired(each, weights, 0.5) for each in zip(*samples, strict=True)]


def bound(draws: int) -> float:
    return LEVEL + 4 * math.sqrt(LEVEL * (1 - LEVEL) / draws)


@pytest.mark.parametrize(
    ("sizes", "sds"), [((5, 6), (1.0, 1.0)), ((6, 10), (1.0, 2.0)), ((10, 20), (2.0, 1.0)), ((5, 6, 8), (1.0, 2.0, 0.5))]
)
def test_unequal_samples_with_unequal_variances_err_at_the_level(sizes, sds, draws: int) -> None:
    nothing = simulated(sizes, sds, draws)
    rates = np.mean([each.p < LEVEL for each in nothing]), np.mean([not each.ci[0] <= 0 <= each.ci[1] for each in nothing])
    assert max(rates) <= bound(draws)
    assert min(rates) >= LEVEL - 4 * math.sqrt(LEVEL * (1 - LEVEL) / draws) - 0.005
    at_margin = simulated(sizes, sds, draws, mean=0.5)
    for name in ("p_tost", "p_nogain", "p_beyond"):
        assert np.mean([getattr(each, name) < LEVEL for each in at_margin]) <= bound(draws), name


@pytest.mark.slow
def test_a_pooled_variance_errs_where_welch_does_not() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.normal(0, 3, (20_000, 5)), generator.normal(0, 1, (20_000, 15))
    assert np.mean(ttest_ind(one, other, axis=1).pvalue < LEVEL) > 0.15
    assert np.mean(ttest_ind(one, other, axis=1, equal_var=False).pvalue < LEVEL) <= bound(20_000)


@pytest.mark.slow
def test_few_values_on_one_side_err_more_often_as_documented() -> None:
    rate = np.mean([each.p < LEVEL for each in simulated((3, 30), (1.0, 1.0), 20_000)])
    assert 0.065 < rate < 0.085
