"""Doses: best in a range, possible optima, declines and bends, on tables calculated by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from harness.analysis.statistics import (
    best_in_range,
    declines_beyond,
    holm,
    no_proportional_gain,
    paired,
    possible_optima,
    threshold,
)

DOSES = [0.0, 0.1, 0.2, 0.4]
# [seed, dose]: best at 0.1, clearly worse at 0.4
VALUES = np.array([[92.0, 92.6, 92.5, 90.1], [92.2, 92.9, 92.4, 90.4], [91.9, 92.5, 92.6, 90.0], [92.1, 92.8, 92.7, 90.6]])

tables = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=st.floats(50, 100, width=32))


def one_sided(better: int, worse: int, margin: float = 0.0) -> float:
    """P(T >= (mean + margin) / se) of one dose against another."""
    return threshold(VALUES[:, better] - VALUES[:, worse], -margin).p_above


def test_best_in_range_needs_one_dose_that_beats_all_outside() -> None:
    inside, outside, margin = (1, 2), (0, 3), 0.1
    by_hand = 2 * min(max(one_sided(i, j, margin) for j in outside) for i in inside)
    assert best_in_range(VALUES, [False, True, True, False], margin) == pytest.approx(by_hand)
    assert by_hand < 0.05


def test_best_in_range_is_not_shown_of_the_worst_dose() -> None:
    assert best_in_range(VALUES, [False, False, False, True], 0.25) > 0.99


@given(tables, st.floats(0, 2), st.floats(0, 2))
def test_a_larger_margin_makes_best_in_range_no_harder(values: np.ndarray, one: float, other: float) -> None:
    mask = np.arange(values.shape[1]) == 0
    strict, lenient = (best_in_range(values, mask, margin) for margin in sorted((one, other)))
    assert lenient <= strict or math.isnan(strict) or math.isnan(lenient)


def test_possible_optima_are_those_that_none_beats() -> None:
    by_hand = [all(one_sided(rival, dose) >= 0.05 / 3 for rival in range(4) if rival != dose) for dose in range(4)]
    mask = possible_optima(VALUES, 0.05)
    assert mask.tolist() == by_hand == [False, True, True, False]
    assert mask.dtype == np.bool_


@given(tables, st.floats(0.001, 0.5))
def test_some_dose_may_always_be_the_best_and_the_highest_mean_is(values: np.ndarray, alpha: float) -> None:
    assert possible_optima(values, alpha)[np.argmax(values.mean(axis=0))]


@given(tables, st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_a_stricter_level_keeps_more_optima(values: np.ndarray, one: float, other: float) -> None:
    strict, lenient = sorted((one, other))
    assert np.all(possible_optima(values, strict) >= possible_optima(values, lenient))


def test_too_few_seeds_or_one_dose_drop_none() -> None:
    assert possible_optima(VALUES[:1], 0.05).all()
    assert possible_optima(VALUES[:, :1], 0.05).tolist() == [True]


def test_a_decline_is_a_negative_slope_turned_around() -> None:
    slopes = [np.polyfit(DOSES[1:], seed, 1)[0] for seed in VALUES[:, 1:]]
    of = declines_beyond(VALUES[:, 1:], DOSES[1:], alpha=0.10)
    by_hand = paired(np.zeros(4), slopes, None, alpha=0.10)
    assert (of.slope, of.t, of.sd, of.p) == pytest.approx((by_hand.mean, by_hand.t, by_hand.sd, by_hand.p / 2))
    assert of.ci == pytest.approx(by_hand.ci)
    assert of.slope > 0
    assert of.rises == pytest.approx(holm([one_sided(2, 1), one_sided(3, 2)]))


def test_a_rise_between_neighbours_is_found_within_a_decline() -> None:
    bumpy = VALUES[:, [1, 0, 2, 3]]
    of = declines_beyond(bumpy, [0, 1, 2, 9], alpha=0.05)
    assert of.p < 0.05
    assert (of.rises < 0.05).tolist() == [False, True, False]


def test_a_gain_that_flattens_has_slopes_that_differ() -> None:
    parameters = [1.0, 2.0, 4.0, 8.0]
    noise = np.random.default_rng(0).normal(0, 0.05, (5, 4))
    flattening = np.array([90, 92, 92.2, 92.4]) + noise
    bends = [np.polyfit(parameters[:2], seed[:2], 1)[0] - np.polyfit(parameters[1:], seed[1:], 1)[0] for seed in flattening]
    of, by_hand = no_proportional_gain(flattening, parameters, 2), threshold(bends, 0)
    assert (of.mean, of.t, of.sd, of.p) == pytest.approx((by_hand.mean, by_hand.t, by_hand.sd, by_hand.p_above))
    assert of.ci == pytest.approx(by_hand.ci)
    assert of.p < 0.001
    assert no_proportional_gain(90 + np.array(parameters) + noise, parameters, 2).p > 0.05


def test_doses_may_differ_by_seed() -> None:
    doses = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    values = np.array([[0.0, 1.0, 1.0], [0.0, 4.0, 4.0]])
    # slopes 1 and 0; 2 and 0
    assert no_proportional_gain(values, doses, [2, 4]).mean == pytest.approx(1.5)
    same = np.broadcast_to(doses[0], (2, 3))
    assert no_proportional_gain(values, same, 2) == no_proportional_gain(values, doses[0], 2)


def test_without_spread_nothing_warns() -> None:
    flat = np.full((3, 3), 93.3)
    assert math.isnan(best_in_range(flat, [True, False, False], 0))
    assert best_in_range(flat, [True, False, False], 0.1) == 0
    assert possible_optima(flat, 0.05).all()
    assert math.isnan(declines_beyond(flat, [0.1, 0.2, 0.4], 0.05).t)
    assert np.isnan(declines_beyond(flat, [0.1, 0.2, 0.4], 0.05).rises).all()
    assert math.isnan(no_proportional_gain(flat, [0.1, 0.2, 0.4], 0.2).p)
    falling = flat - [0.1, 0.2, 0.4]
    assert declines_beyond(falling, [0.1, 0.2, 0.4], 0.05).sd == 0
    assert declines_beyond(falling, [0.1, 0.2, 0.4], 0.05).p == 0


def test_one_seed_has_estimates_and_no_test() -> None:
    of = declines_beyond(VALUES[:1], DOSES, 0.05)
    assert of.slope == pytest.approx(-np.polyfit(DOSES, VALUES[0], 1)[0])
    assert math.isnan(of.p)
    assert math.isnan(no_proportional_gain(VALUES[:1], DOSES, 0.1).p)
    assert math.isnan(best_in_range(VALUES[:1], [True, False, False, False], 0))


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"in_range has shape \(2,\) where values of shape \(4, 4\) need \(4,\)"):
        best_in_range(VALUES, [True, False], 0)
    with pytest.raises(ValueError, match="some of the 4 doses, not all"):
        best_in_range(VALUES, [True] * 4, 0)
    with pytest.raises(ValueError, match="margin must not be negative, got -1"):
        best_in_range(VALUES, [True, False, False, False], -1)
    with pytest.raises(ValueError, match=r"values must have axes \[seed, dose\], got shape \(4,\)"):
        possible_optima(VALUES[:, 0], 0.05)
    with pytest.raises(ValueError, match=r"doses have shape \(3,\) where values of shape \(4, 4\) need \(4,\)"):
        declines_beyond(VALUES, [1, 2, 3], 0.05)
    with pytest.raises(ValueError, match=r"doses must have axes \[dose\], got shape \(4, 4\)"):
        declines_beyond(VALUES, np.tile(DOSES, (4, 1)), 0.05)
    with pytest.raises(ValueError, match="doses must increase"):
        no_proportional_gain(VALUES, DOSES[::-1], 0.1)
    with pytest.raises(ValueError, match=r"at least two doses, values have shape \(4, 1\)"):
        declines_beyond(VALUES[:, :1], [0.1], 0.05)
    with pytest.raises(ValueError, match=r"on each side of 0.4, got"):
        no_proportional_gain(VALUES, DOSES, 0.4)
    with pytest.raises(ValueError, match=r"beyond has shape \(2,\)"):
        no_proportional_gain(VALUES, DOSES, [0.1, 0.1])
