"""How many seeds: the reference, statsmodels, and simulation for equivalence, bounds and looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from harness.analysis.statistics import Rule, detectable, power, seeds_needed, seeds_range, sequential_power, single_power
from harness.analysis.statistics.sample import summary

RULES: tuple[Rule, ...] = ("direction", "equivalence", "bound")


def test_the_reference_numbers_are_met() -> None:
    assert (seeds_needed(0.35, 0.25), seeds_needed(0.35, 0.25, rule="equivalence")) == (18, 19)
    assert (seeds_needed(0.2, 0.25), seeds_needed(0.2, 0.25, rule="equivalence")) == (8, 8)


def test_few_seeds_find_little() -> None:
    assert power(5, 0.25, 0.2) == pytest.approx(0.56, abs=0.005)
    assert power(3, 0.25, 0.2) == pytest.approx(0.24, abs=0.005)
    assert detectable(5, 0.2) == pytest.approx(0.34, abs=0.005)


def test_the_range_covers_what_three_seeds_do_not_know_of_the_spread() -> None:
    assert seeds_range(float(np.std([0.31, 0.12, 0.44], ddof=1)), 3, 0.25) == (6, 17)


@pytest.mark.parametrize(
    ("n", "effect", "alpha"), [(2, 1.0, 0.05), (3, 1.25, 0.05), (5, 0.1, 0.01), (10, 0.9, 0.10), (40, 3.0, 0.05)]
)
def test_statsmodels_agrees(n: int, effect: float, alpha: float) -> None:
    theirs = TTestPower().power(effect, n, alpha, alternative="two-sided")
    assert power(n, effect * 0.2, 0.2, alpha) == pytest.approx(theirs, abs=1e-9)
    assert power(n, -effect * 0.2, 0.2, alpha) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("n", "effect", "alpha"), [(3, 1.25, 0.05), (10, 0.9, 0.10), (40, 0.4, 0.006)])
def test_statsmodels_agrees_about_bounds(n: int, effect: float, alpha: float) -> None:
    theirs = TTestPower().power(effect, n, alpha, alternative="larger")
    assert power(n, effect * 0.2, 0.2, alpha, rule="bound") == pytest.approx(theirs, abs=1e-9)


@given(st.integers(2, 60), st.floats(0.01, 3), st.floats(0.001, 0.2), st.floats(0.3, 0.99), st.sampled_from(RULES))
def test_the_detectable_difference_has_the_given_power(n: int, sd: float, alpha: float, wanted: float, rule: Rule) -> None:
    assert power(n, detectable(n, sd, alpha, wanted, rule=rule), sd, alpha, rule=rule) == pytest.approx(wanted, abs=1e-6)


@given(st.floats(0.05, 2), st.floats(0.05, 1), st.sampled_from(RULES))
def test_the_seeds_needed_are_enough_and_one_fewer_is_not(sd: float, margin: float, rule: Rule) -> None:
    n = seeds_needed(sd, margin, rule=rule)
    assert power(n or 1_000, margin, sd, rule=rule) < 0.8 if n is None else power(n, margin, sd, rule=rule) >= 0.8
    assert n in {3, None} or power(n - 1, margin, sd, rule=rule) < 0.8


@pytest.mark.parametrize(("sd", "margin"), [(0.35, 0.25), (0.1, 0.25)])
def test_the_seeds_for_equivalence_show_it_four_times_in_five(sd: float, margin: float) -> None:
    n = seeds_needed(sd, margin, rule="equivalence")
    generator, draws = np.random.default_rng(0), 40_000

    def shown(seeds: int) -> float:
        of = summary(generator.normal(0, sd, (seeds, draws)))
        return float(np.mean(np.maximum(of.p_above(-margin), of.p_below(margin)) < 0.05))

    tolerance = 4 * np.sqrt(0.8 * 0.2 / draws)
    assert n is not None
    assert shown(n) >= 0.8 - tolerance
    assert n == 3 or shown(n - 1) < 0.8 + tolerance


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("margin", [0.1, 0.25, 0.4])
def test_a_single_look_simulated_has_the_power_of_a_fixed_design(rule: Rule, margin: float) -> None:
    draws = 20_000
    found, exact = sequential_power((8,), margin, 0.3, 0.02, rule=rule, draws=draws), power(8, margin, 0.3, 0.02, rule=rule)
    assert found.power == pytest.approx(exact, abs=4 * np.sqrt(0.25 / draws))
    assert found.mean_seeds == 8


@pytest.mark.parametrize("rule", RULES)
def test_looks_have_nearly_the_power_of_all_their_seeds(rule: Rule) -> None:
    looks, fixed = sequential_power((3, 5, 8, 12, 20), 0.25, 0.35, rule=rule), power(20, 0.25, 0.35, rule=rule)
    assert fixed - 0.06 < looks.power < fixed + 0.01
    assert looks.mean_seeds < 19


def test_more_than_a_thousand_seeds_are_no_number() -> None:
    assert [seeds_needed(100, 0.01, rule=rule) for rule in RULES] == [None, None, None]
    assert (seeds_needed(2.81, 0.25), seeds_needed(2.82, 0.25)) == (994, None)
    assert seeds_range(2.0, 3, 0.25) == (505, None)
    assert [seeds_needed(sd, 0.25) for sd in (0, 0.0001)] == [3, 3]


def test_independent_tests_all_reject_with_the_power_wanted() -> None:
    assert single_power(1) == 0.8
    assert single_power(5) ** 5 == pytest.approx(0.8)


def test_no_spread_finds_every_difference() -> None:
    assert power(3, 0.1, 0) == 1
    assert power(3, 0, 0) == 0.05
    assert power(3, 0, 0.2) == pytest.approx(0.05)
    assert detectable(3, 0) == 0


def test_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        power(1, 0.2, 0.2)
    with pytest.raises(ValueError, match="sd must be finite and not negative, got nan"):
        seeds_needed(float("nan"), 0.25)
    with pytest.raises(ValueError, match="margin must be positive, got 0"):
        seeds_needed(0.2, 0)
    with pytest.raises(ValueError, match=r"power must lie between alpha = 0.05 and 1, got 0.01"):
        detectable(5, 0.2, power=0.01)
