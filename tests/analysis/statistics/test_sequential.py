"""Looks: the reference, the levels that ship against simulation, p values valid at any look, evidence beyond the schedule."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nct
from scipy.stats import t as student

from harness.analysis.statistics import (
    Levels,
    Spending,
    calibrate,
    e_value,
    paired,
    power,
    sequential_level,
    sequential_p,
    sequential_power,
    shipped,
)

LOOKS = (3, 5, 8, 12, 20)
EVERY = tuple(range(3, 21))
X = [0.31, 0.12, 0.44, 0.25, 0.38, 0.05, 0.29, 0.41]
LINEAR: Levels = shipped(LOOKS, "linear")  # type: ignore[assignment]  # it ships
SHIPPED: dict[tuple[Spending, tuple[int, ...]], tuple[float, ...]] = {  # c at .05, .10, .025, .01
    ("linear", LOOKS): (0.02627, 0.05596, 0.01249, 0.00475),
    ("linear", (5, 10, 15, 20)): (0.02738, 0.05836, 0.01301, 0.00493),
    ("linear", (3, 5, 10)): (0.03099, 0.06487, 0.01500, 0.00581),
    ("linear", EVERY): (0.01533, 0.03465, 0.00689, 0.00245),
    ("quadratic", LOOKS): (0.03719, 0.07763, 0.01796, 0.00694),
    ("quadratic", (5, 10, 15, 20)): (0.03554, 0.07461, 0.01703, 0.00652),
    ("quadratic", (3, 5, 10)): (0.03995, 0.08226, 0.01951, 0.00764),
    ("quadratic", EVERY): (0.02270, 0.05061, 0.01034, 0.00373),
}
p_values = st.floats(0, 1, allow_subnormal=False)
looked_at = st.dictionaries(st.sampled_from(LOOKS), p_values, min_size=1)


def test_the_reference_numbers_are_met_to_four_decimals() -> None:
    levels = [sequential_level(n, LOOKS, 0.05, LINEAR) for n in (3, 5, 8)]
    assert np.round(levels, 4).tolist() == [0.0039, 0.0066, 0.0105]
    tests = {n: paired(X[:n], np.zeros(n), None, level=level) for n, level in zip((3, 5, 8), levels, strict=True)}
    assert np.round([of.p for of in tests.values()], 4).tolist() == [0.0891, 0.0056, 0.0007]
    p = [sequential_p({n: of.p for n, of in tests.items() if n <= last}, LOOKS, LINEAR) for last in tests]
    assert np.round(p, 4).tolist() == [0.6833, 0.0429, 0.0037]
    intervals = np.round([of.ci for of in tests.values()], 4).tolist()
    assert intervals == [[-1.1858, 1.7658], [0.0135, 0.5865], [0.1126, 0.4499]]
    assert [of.p < level for of, level in zip(tests.values(), levels, strict=True)] == [False, True, True]


def test_quadratic_spending_keeps_more_of_alpha_for_the_last_look() -> None:
    for looks in (LOOKS, (3, 5, 10)):
        first, last = looks[0], looks[-1]
        old = shipped(looks, "linear")
        assert sequential_level(first, looks, 0.05) < sequential_level(first, looks, 0.05, old)
        assert sequential_level(last, looks, 0.05) > sequential_level(last, looks, 0.05, old)


@pytest.mark.parametrize(("spending", "looks"), SHIPPED)
def test_the_levels_that_ship_are_those_documented(spending: Spending, looks: tuple[int, ...]) -> None:
    levels = shipped(looks, spending)
    assert levels is not None
    assert [levels.c(alpha) for alpha in (0.05, 0.10, 0.025, 0.01)] == pytest.approx(SHIPPED[spending, looks], abs=1.1e-5)
    assert (levels.draws, levels.spending) == (8_000_000, spending)


@pytest.mark.parametrize("spending", ["linear", "quadratic"])
def test_a_calibration_agrees_with_the_levels_that_ship(spending: Spending) -> None:
    levels, ships = calibrate(LOOKS, draws=400_000, spending=spending), shipped(LOOKS, spending)
    assert ships is not None
    assert levels.alphas == ships.alphas
    tolerance = 4 * 5 / math.sqrt(levels.draws)
    assert levels.c(0.05) == pytest.approx(ships.c(0.05), rel=tolerance)
    assert levels.c(0.2) == pytest.approx(ships.c(0.2), rel=tolerance)


@pytest.mark.slow
def test_the_default_calibration_is_within_one_percent() -> None:
    levels, ships = calibrate(LOOKS), shipped(LOOKS)
    assert ships is not None
    assert levels.c(0.05) == pytest.approx(ships.c(0.05), rel=0.01)
    assert levels.constants == pytest.approx(ships.constants, rel=0.08)


def test_a_calibration_is_the_same_every_time() -> None:
    assert calibrate((3, 6), draws=20_000, seed=1) == calibrate((3, 6), draws=20_000, seed=1)
    assert calibrate((3, 6), draws=20_000, seed=1) != calibrate((3, 6), draws=20_000, seed=2)


def test_a_schedule_that_does_not_ship_is_simulated() -> None:
    assert shipped((3, 7)) is None
    levels = calibrate((3, 7), draws=50_000)
    assert sequential_level(7, (3, 7), 0.05, levels) == levels.c(0.05)
    assert 0.025 < levels.c(0.05) < 0.05


def test_one_look_is_an_ordinary_test() -> None:
    for alpha in (0.0001, 0.01, 0.05, 0.3, 0.8):
        assert sequential_level(5, [5], alpha) == pytest.approx(alpha)
        assert sequential_p({5: alpha}, [5]) == pytest.approx(alpha)
    simulated = calibrate([5], draws=100_000)
    assert simulated.c(0.05) == pytest.approx(0.05, rel=0.08)


def test_levels_survive_json() -> None:
    levels = calibrate((4, 9), draws=20_000)
    assert Levels.from_dict(json.loads(json.dumps(levels.as_dict()))) == levels


@given(st.floats(1e-6, 1))
def test_the_two_directions_of_the_table_are_inverse(alpha: float) -> None:
    levels = shipped(LOOKS)
    assert levels is not None
    assert levels.alpha(levels.c(alpha)) == pytest.approx(alpha)


@given(st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_c_rises_with_alpha_and_stays_below_it(one: float, other: float) -> None:
    levels = shipped(LOOKS)
    assert levels is not None
    low, high = sorted((one, other))
    assert levels.c(low) <= levels.c(high)
    assert levels.c(high) <= high * (1 + 1e-12)


@given(looked_at)
def test_the_p_value_of_looks_is_no_smaller_than_the_smallest(p: dict[int, float]) -> None:
    assert min(p.values()) * (1 - 1e-12) <= sequential_p(p, LOOKS) <= 1


@given(looked_at, st.sampled_from(LOOKS), p_values)
def test_a_larger_p_at_a_look_makes_the_p_value_no_smaller(p: dict[int, float], look: int, value: float) -> None:
    larger = {**p, look: max(p.get(look, 0), value)}
    if look in p:
        assert sequential_p(larger, LOOKS) >= sequential_p(p, LOOKS)
    else:
        assert sequential_p(larger, LOOKS) <= sequential_p(p, LOOKS)


@given(looked_at, st.floats(0.001, 0.5))
def test_the_p_value_lies_below_alpha_when_a_look_rejects(p: dict[int, float], alpha: float) -> None:
    margins = [p[n] / sequential_level(n, LOOKS, alpha) for n in p]
    if abs(min(margins) - 1) > 1e-9:
        assert (sequential_p(p, LOOKS) < alpha) == (min(margins) < 1)


def test_a_look_that_cannot_be_tested_rejects_nothing() -> None:
    assert sequential_p({3: math.nan, 5: 0.01}, LOOKS) == sequential_p({5: 0.01}, LOOKS)
    assert math.isnan(sequential_p({3: math.nan}, LOOKS))
    assert math.isnan(sequential_p({}, LOOKS))


def test_looking_early_costs_little_power_and_saves_seeds() -> None:
    # Average seeds at effects 0, .2, .35, .5, 1 of sd .35
    seeds = [sequential_power(LOOKS, effect, 0.35).mean_seeds for effect in (0, 0.2, 0.35, 0.5, 1.0)]
    assert seeds == pytest.approx([19.8, 17.7, 13.2, 9.6, 6.4], abs=0.2)
    before = [sequential_power(LOOKS, effect, 0.35, levels=LINEAR).mean_seeds for effect in (0, 0.2, 0.35, 0.5, 1.0)]
    assert before == pytest.approx([19.6, 17.2, 12.3, 8.7, 5.5], abs=0.2)
    assert sequential_power(LOOKS, 0, 0.35).power == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 20_000))


def test_one_look_has_the_power_of_the_t_test() -> None:
    of = sequential_power([5], 0.25, 0.2, draws=50_000)
    assert of.power == pytest.approx(power(5, 0.25, 0.2), abs=4 * 0.5 / math.sqrt(50_000))
    assert of.mean_seeds == 5
    assert sequential_power([5], 0.25, 0.2, draws=50_000) == of


@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_e_value_is_the_bayes_factor_of_a_normal_prior(n: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 1, n)
    t = float(paired(values, np.zeros(n), None).t)
    # Marginal density of t under an effect ~ N(0, g), by the definition, over its density under none.
    alternative = quad(
        lambda d: nct.pdf(t, n - 1, d * math.sqrt(n)) * math.exp(-(d**2) / 20) / math.sqrt(20 * math.pi), -15, 15, limit=200
    )[0]
    assert e_value(values) == pytest.approx(alternative / student.pdf(t, n - 1), rel=1e-4)


def test_evidence_grows_with_seeds_and_has_its_limits() -> None:
    assert e_value([]) == e_value([0.3]) == 1
    assert e_value([1, 1, 1]) == pytest.approx(31)
    assert math.isnan(e_value([0, 0, 0]))
    assert e_value(np.zeros(500) + 1) == math.inf
    rising = [e_value(np.tile([0.1, 0.5], k)) for k in (2, 4, 8)]
    assert rising == sorted(rising)
    assert e_value(np.array(X)) == pytest.approx(e_value(-np.array(X)))


def test_invalid_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"invalid look 4; choose from: 3, 5, 8, 12, 20"):
        sequential_level(4, LOOKS, 0.05)
    with pytest.raises(ValueError, match="invalid looks 4; choose from:"):
        sequential_p({3: 0.1, 4: 0.1}, LOOKS)
    with pytest.raises(ValueError, match=r"looks must increase and start at 2 seeds or more, got \[5, 3\]"):
        shipped([5, 3])
    with pytest.raises(ValueError, match="looks must increase"):
        calibrate([])
    with pytest.raises(ValueError, match=r"the levels are for looks at \(3, 5, 10\), not for \(3, 5\)"):
        sequential_level(3, (3, 5), 0.05, shipped((3, 5, 10)))
    with pytest.raises(ValueError, match="draws must be at least 10,000, got 10"):
        calibrate((3, 5), draws=10)
    with pytest.raises(ValueError, match="constants must be at least two, increase"):
        Levels((3, 5), (0.05, 0.1), (0.04, 0.03), 0)
    with pytest.raises(ValueError, match="sd must be positive, got 0"):
        sequential_power(LOOKS, 0.2, 0)
    with pytest.raises(ValueError, match="g must be positive"):
        e_value([1, 2], g=0)
