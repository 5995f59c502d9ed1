"""Paired differences: values calculated by hand, comparison with statsmodels, and undefined values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from harness.analysis.statistics import Paired, paired, threshold

BASE = [93.12, 92.87, 93.25, 93.01, 92.95]
VARIANTS = {
    "leaky": [93.41, 93.30, 93.49, 93.44, 93.20],
    "gelu": [93.15, 92.96, 93.10, 93.07, 93.02],
    "nobn": [91.80, 91.20, 92.10, 91.05, 91.66],
}
# mean, sd, t, p, g_z, p_tost, lower and upper end of the 95 % interval; margin .25
REFERENCE = {
    "leaky": (0.3280, 0.0950, 7.7225, 0.0015, 2.7556, 0.9299, 0.2101, 0.4459),
    "gelu": (0.0200, 0.0975, 0.4588, 0.6702, 0.1637, 0.0031, -0.1010, 0.1410),
    "nobn": (-1.4780, 0.3306, -9.9979, 0.0006, -3.5675, 0.9994, -1.8884, -1.0676),
}
accuracies = arrays(np.float64, st.integers(2, 12), elements=st.floats(50, 100, width=32))


def values(of: Paired) -> tuple[float, ...]:
    return (of.mean, of.sd, of.t, of.p, of.g_z, of.p_tost, *of.ci95)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_reference_table_is_met_to_four_decimals(name: str) -> None:
    assert np.round(values(paired(VARIANTS[name], BASE, 0.25)), 4).tolist() == pytest.approx(list(REFERENCE[name]), abs=1e-9)


def test_three_seeds_are_worked_out_as_by_hand() -> None:
    of = paired([0.42, 0.18, 0.36], [0, 0, 0], margin=None)
    found = np.round([of.mean, of.t, of.p, *of.ci95, of.g_z], 4).tolist()
    assert found == pytest.approx([0.3200, 4.4376, 0.0472, 0.0097, 0.6303, 1.4455], abs=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_statsmodels_agrees(name: str) -> None:
    of = paired(VARIANTS[name], BASE, 0.25, alpha=0.01)
    differences = np.subtract(VARIANTS[name], BASE)
    theirs = DescrStatsW(differences)
    t, p, df = theirs.ttest_mean(0)
    assert (of.t, of.p, of.n - 1) == pytest.approx((t, p, df))
    assert of.ci == pytest.approx(theirs.tconfint_mean(0.01))
    assert of.ci90 == pytest.approx(theirs.tconfint_mean(0.10))
    p_tost, _, (_, p_below, _) = ttost_paired(np.array(VARIANTS[name]), np.array(BASE), -0.25, 0.25)
    assert (of.p_tost, of.p_nogain) == pytest.approx((p_tost, p_below))
    assert of.rho == pytest.approx(np.corrcoef(VARIANTS[name], BASE)[0, 1])


def test_the_interval_follows_level_and_by_default_alpha() -> None:
    of = paired(VARIANTS["gelu"], BASE, 0.25, alpha=0.10, level=0.05)
    assert of.ci == of.ci95 != of.ci90
    assert paired(VARIANTS["gelu"], BASE, 0.25, alpha=0.10).ci == of.ci90


def test_without_a_margin_nothing_is_said_of_equivalence() -> None:
    of = paired(VARIANTS["gelu"], BASE, None)
    assert math.isnan(of.p_tost)
    assert math.isnan(of.p_nogain)
    assert of.p == pytest.approx(0.67018, abs=1e-5)


@pytest.mark.parametrize(("seeds", "mean"), [(0, math.nan), (1, 0.5)])
def test_of_fewer_than_two_seeds_only_the_mean_is_known(seeds: int, mean: float) -> None:
    of = paired([93.5] * seeds, [93.0] * seeds, 0.25)
    assert of.n == seeds
    assert of.mean == pytest.approx(mean, nan_ok=True)
    unknown = (of.sd, of.se, of.t, of.p, of.g_z, of.rho, of.p_tost, of.p_nogain, *of.ci, *of.ci95, *of.ci90)
    assert all(math.isnan(value) for value in unknown)


def test_two_seeds_give_a_test_but_no_effect_size() -> None:
    of = paired([1.0, 2.0], [0.0, 0.0], None)
    assert of.t == pytest.approx(3.0)
    assert math.isnan(of.g_z)


@pytest.mark.parametrize(("shift", "t", "p"), [(0.5, math.inf, 0.0), (-0.5, -math.inf, 0.0), (0.0, math.nan, math.nan)])
def test_a_difference_without_spread_is_certain_or_nothing(shift: float, t: float, p: float) -> None:
    of = paired(np.array(BASE) + shift, BASE, None)
    assert (of.sd, of.se) == (0, 0)
    assert (of.t, of.p) == pytest.approx((t, p), nan_ok=True)
    assert of.ci95 == pytest.approx((shift, shift))


def test_a_spread_from_rounding_counts_as_none() -> None:
    better, worse = [1.1, 2.2, 0.3], [0.9, 2.0, 0.1]
    assert np.std(np.subtract(better, worse)) > 0
    assert paired(better, worse, None).sd == 0
    assert threshold([0.1, 0.1, 0.1], 0).sd == 0


def test_a_difference_at_the_margin_without_spread_is_undefined() -> None:
    assert math.isnan(paired([0.25, 0.25, 0.25], [0, 0, 0], 0.25).p_nogain)
    assert paired([0.125, 0.125, 0.125], [0, 0, 0], 0.25).p_tost == 0


@given(accuracies, accuracies)
def test_what_is_worse_mirrors_what_is_better(left: np.ndarray, right: np.ndarray) -> None:
    n = min(len(left), len(right))
    ahead, behind = paired(left[:n], right[:n], 0.25), paired(right[:n], left[:n], 0.25)
    assert (ahead.mean, ahead.t, ahead.g_z) == pytest.approx((-behind.mean, -behind.t, -behind.g_z), nan_ok=True)
    assert (ahead.p, ahead.p_tost, ahead.rho) == pytest.approx((behind.p, behind.p_tost, behind.rho), nan_ok=True)
    assert ahead.ci == pytest.approx((-behind.ci[1], -behind.ci[0]))


@given(accuracies, accuracies, st.floats(0.001, 0.5))
def test_p_lies_below_the_level_when_the_interval_leaves_out_zero(left: np.ndarray, right: np.ndarray, level: float) -> None:
    n = min(len(left), len(right))
    of = paired(left[:n], right[:n], None, level=level)
    if of.sd > 0 and abs(of.p - level) > 1e-6:
        assert (of.p < level) == (of.ci[0] > 0 or of.ci[1] < 0)


@given(accuracies, accuracies, st.floats(0, 5))
def test_equivalence_is_the_90_percent_interval_within_the_margin(left: np.ndarray, right: np.ndarray, margin: float) -> None:
    n = min(len(left), len(right))
    of = paired(left[:n], right[:n], margin)
    if of.sd > 0 and abs(of.p_tost - 0.05) > 1e-6:
        assert (of.p_tost < 0.05) == (-margin < of.ci90[0] and of.ci90[1] < margin)
        assert of.p_nogain <= of.p_tost


def test_a_sample_is_held_against_a_number() -> None:
    of = threshold(BASE, 92.9)
    t, p, _ = DescrStatsW(BASE).ttest_mean(92.9, alternative="larger")
    assert (of.n, of.mean, of.t, of.p_above, of.p_below) == pytest.approx((5, np.mean(BASE), t, p, 1 - p))
    assert of.ci == pytest.approx(DescrStatsW(BASE).tconfint_mean(0.05))
    assert (of.sd, of.se) == pytest.approx((np.std(BASE, ddof=1), np.std(BASE, ddof=1) / math.sqrt(5)))
    assert math.isnan(threshold([93.0], 92.0).p_above)
    assert threshold([93.0, 93.0], 92.0).p_above == 0


def test_shapes_and_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(ValueError, match=r"variant has shape \(3,\) and baseline \(2,\)"):
        paired([1, 2, 3], [1, 2], None)
    with pytest.raises(ValueError, match=r"variant must have axes \[seed\], got shape \(1, 2\)"):
        paired([[1, 2]], [[1, 2]], None)
    with pytest.raises(ValueError, match=r"values must have axes \[seed\], got shape \(\)"):
        threshold(1.0, 0)
    with pytest.raises(ValueError, match="margin must not be negative, got -1"):
        paired([1, 2], [1, 2], -1)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 1"):
        paired([1, 2], [1, 2], None, level=1)
