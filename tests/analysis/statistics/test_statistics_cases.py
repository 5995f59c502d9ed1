"""Tests over cases: paired t, groups, seeds and cases crossed; and how often they err."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from lengths import LONG
from statsmodels.regression.linear_model import OLS

from harness.analysis.statistics import case_mean, case_pairs, cases_needed, crossed, paired
from harness.analysis.statistics.scatter import scatter

RANDOM = np.random.default_rng(0)
LEFT, RIGHT = RANDOM.normal(size=(2, 1, 50))


def test_one_seed_without_groups_is_the_paired_t_test_over_cases() -> None:
    found, expected = case_pairs(LEFT, RIGHT, 0.2), paired(LEFT[0], RIGHT[0], 0.2)
    for name in ("n", "mean", "sd", "se", "p", "p_tost", "p_nogain", "p_beyond"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    assert found.ci == pytest.approx(expected.ci)
    assert found.outcomes is None


def test_outcomes_of_0_and_1_are_counted_and_shown_as_percentages() -> None:
    left, right = np.array([[1.0] * 30 + [0.0] * 20]), np.array([[1.0] * 22 + [0.0] * 26 + [1.0] * 2])
    found = case_pairs(left, right, 2.0, scale=100.0)
    assert found.outcomes is not None
    counts = (found.outcomes.both, found.outcomes.only_variant, found.outcomes.only_baseline, found.outcomes.neither)
    assert counts == (22, 8, 2, 18)
    assert found.mean == pytest.approx(12.0)
    assert found.p == pytest.approx(2 * 56 / 1024)


def test_equal_groups_give_the_cluster_robust_standard_error_of_statsmodels() -> None:
    groups = np.repeat(np.arange(10), 5)
    found = case_pairs(LEFT, RIGHT, 0.2, groups=groups)
    fit = OLS(LEFT[0] - RIGHT[0], np.ones(50)).fit(cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True})
    # statsmodels multiplies by (n - 1) / (n - 1) of one parameter and by K / (K - 1).
    assert found.se == pytest.approx(float(fit.bse[0]))
    assert found.groups == 10
    assert found.mean == pytest.approx(float((LEFT - RIGHT).mean()))


def test_groups_of_unequal_size_give_the_jackknife_over_groups() -> None:
    groups = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 8, 4, 3, 4, 3])
    d = (LEFT - RIGHT)[0]
    without = np.array([d[groups != each].mean() for each in range(12)])
    expected = np.sqrt(11 / 12 * np.square(without - d.mean()).sum())
    assert scatter(d[None], groups).se == pytest.approx(float(expected))


def test_groups_of_one_case_are_no_groups() -> None:
    several = RANDOM.normal(size=(3, 40))
    assert scatter(several, np.arange(40)) == scatter(several)


def test_several_seeds_have_the_variance_of_seeds_and_cases_crossed() -> None:
    values = RANDOM.normal(size=(4, 60)) + RANDOM.normal(size=(4, 1)) + RANDOM.normal(size=60)
    assert scatter(values).se == pytest.approx(crossed(values).se)


def test_the_interval_of_several_seeds_agrees_with_their_tests() -> None:
    values = RANDOM.normal(size=(3, 60)) + 0.3 * RANDOM.normal(size=(3, 1)) + 0.4
    of = scatter(values)
    low = of.mean - of.half_width(0.025)
    assert of.above(low) == pytest.approx(0.025)
    assert of.below(low) == pytest.approx(0.975)
    assert of.above(of.mean) == 0.5


def test_an_evaluation_repeated_with_the_same_values_is_one() -> None:
    once, again = case_pairs(LEFT, RIGHT, 0.2), case_pairs(np.tile(LEFT, (3, 1)), np.tile(RIGHT, (3, 1)), 0.2)
    assert (once.p, once.ci) == (again.p, again.ci)
    assert again.seeds == 3


@pytest.mark.parametrize(
    ("cases", "groups"), [(4, None), (40, np.arange(40) % 9), (40, None)], ids=["few cases", "few groups", "no spread"]
)
def test_without_enough_cases_groups_or_spread_there_is_no_test(cases: int, groups: object) -> None:
    left = RIGHT[:, :cases] + (0.5 if groups is None else LEFT[:, :cases])
    left = RIGHT[:, :cases] + 0.5 if cases == 40 and groups is None else left
    found = case_pairs(left, RIGHT[:, :cases], 0.2, groups=groups)  # type: ignore[arg-type]
    assert all(isnan(value) for value in (found.p, found.p_tost, found.p_nogain, found.p_beyond, *found.ci))
    assert found.n == cases


def test_a_mean_against_a_number() -> None:
    found = case_mean([[1.0] * 282 + [0.0] * 118], 66.0, scale=100.0)
    assert found.exact
    assert found.mean == pytest.approx(70.5)
    assert found.p_above < 0.05 < found.p_below
    assert found.ci[0] == pytest.approx(65.77, abs=0.01)
    assert not case_mean(LEFT, 0.0).exact


def test_cases_needed_reach_their_power() -> None:
    generator = np.random.default_rng(3)
    left, right = (generator.random((2, 1, 400)) < [[[0.7]], [[0.7]]]).astype(float)
    found = case_pairs(left, right, 5.0, scale=100.0)
    low, high = cases_needed(found, 5.0, 0.05)
    assert low is not None
    assert high is not None
    assert 400 < low < high
    shown = 0
    for _ in range(400):
        draw = generator.random((1, high))
        # Both right in 50 %, one alone in 20 % and 20 %: the discordance of the observed outcomes, with a difference of 5 pp.
        one, other = ((draw < 0.5) | ((draw > 0.5) & (draw < 0.735))), ((draw < 0.5) | (draw > 0.815))
        shown += case_pairs(one.astype(float), other.astype(float), 5.0, scale=100.0).p < 0.05
    assert 0.75 < shown / 400 < 0.97


def test_no_number_of_cases_helps_if_the_seeds_vary_more() -> None:
    values = RANDOM.normal(size=(3, 200)) * 0.1 + np.array([[-1.0], [0.0], [1.0]])
    assert cases_needed(case_pairs(values, np.zeros((3, 200)), 0.1), 0.1, 0.05) == (None, None)


def error_of(seeds: int, cases: int, groups: int | None, sd: float, draws: int) -> float:
    """How often p < .05 at a true difference of 0, with `sd` between seeds; .3 between cases, groups and in the residual."""
    generator = np.random.default_rng([seeds, cases, groups or 0, int(100 * sd)])
    wrong = 0
    for _ in range(draws):
        own = None if groups is None else generator.permutation(np.arange(cases) % groups)
        shared = 0.0 if own is None else 0.3 * generator.normal(size=groups)[own]
        d = 0.3 * generator.normal(size=cases) + shared + 0.3 * generator.normal(size=(seeds, cases))
        wrong += case_pairs(d + sd * generator.normal(size=(seeds, 1)), np.zeros((seeds, cases)), 0.1, groups=own).p < 0.05
    return wrong / draws


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(
    ("seeds", "cases", "groups"), [(1, 30, None), (1, 200, 20), (2, 200, None), (3, 200, None), (3, 200, 20), (5, 60, 12)]
)
def test_no_difference_is_found_in_at_most_5_percent(seeds: int, cases: int, groups: int | None, sd: float) -> None:
    # One seed says nothing about other seeds: there is no other true difference than that of this seed.
    draws = 500 * LONG
    found = error_of(seeds, cases, groups, 0.0 if seeds == 1 else sd, draws)
    assert found < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / draws)


@pytest.mark.slow
@pytest.mark.parametrize("flips", [0.002, 0.02])
@pytest.mark.parametrize(("seeds", "cases", "margin"), [(5, 100, 0.02), (5, 100, 0.05), (3, 30, 0.1), (5, 300, 0.02)])
def test_rare_outcomes_that_few_seeds_change_are_not_taken_for_equal(seeds: int, cases: int, margin: float, flips: float) -> None:
    # Without the variance of cases that are not seen: up to 15 %, as in most samples only the seeds' own noise shows.
    generator = np.random.default_rng([seeds, cases, int(1000 * flips)])
    wrong, draws = np.zeros(2), 500 * LONG
    for _ in range(draws):
        better, noise = generator.random(cases) < margin, generator.random((seeds, cases)) < flips
        variant, baseline = better ^ noise, np.zeros((seeds, cases))
        truth = margin * (1 - 2 * flips) + flips
        wrong[0] += case_pairs(variant, baseline, truth).p_nogain < 0.05
        wrong[1] += case_mean(variant, truth).p_below < 0.05
    assert (wrong / draws < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / draws)).all()


def test_a_difference_of_the_margin_itself_needs_no_variance_of_unseen_cases() -> None:
    left = np.array([[1.0] * 10 + [0.0] * 30, [1.0] * 9 + [0.0] * 31])
    found, of = case_pairs(left, np.zeros((2, 40)), 0.1), scatter(left)
    assert (found.p_nogain, found.p_beyond) == pytest.approx((of.below(0.1), 2 * of.above(0.1)))
    wider = case_pairs(left, np.zeros((2, 40)), 0.5)
    assert wider.p_nogain == pytest.approx(of.plus((0.5 - of.mean) * (0.5 + of.mean) / 40).below(0.5))
