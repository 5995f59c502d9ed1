"""Holm's and Benjamini-Hochberg's adjustments and the correction of a plan: references, statsmodels, and what they must not do."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from test_paired import BASE, VARIANTS

from harness.analysis.statistics import Correction, Hypothesis, Slot, benjamini_hochberg, holm, paired

families = st.lists(st.floats(0, 1), min_size=1, max_size=10)


def test_the_reference_table_is_met_to_four_decimals() -> None:
    tests = [paired(values, BASE, 0.25) for values in VARIANTS.values()]
    assert np.round(holm([of.p for of in tests]), 4).tolist() == [0.0030, 0.6702, 0.0017]
    assert np.round(holm([of.p_tost for of in tests]), 4).tolist() == [1, 0.0093, 1]


@pytest.mark.parametrize("size", [1, 2, 6, 20])
def test_statsmodels_agrees(size: int) -> None:
    p = np.random.default_rng(size).uniform(size=size) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(families)
def test_no_p_value_gets_smaller_and_their_order_stays(p: list[float]) -> None:
    adjusted = holm(p)
    assert np.all(adjusted >= p)
    assert np.all(adjusted <= 1)
    assert np.all(np.diff(adjusted[np.argsort(p)]) >= 0)


@given(families, st.integers(0, 2**32))
def test_the_order_of_the_family_does_not_matter(p: list[float], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(p))
    assert np.array_equal(holm(np.array(p)[order]), holm(p)[order])
    assert np.array_equal(benjamini_hochberg(np.array(p)[order]), benjamini_hochberg(p)[order])


@given(families)
def test_q_values_lie_between_the_p_values_and_holms(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    assert np.all(q >= np.array(p) * (1 - 1e-12))
    assert np.all(q <= holm(p) * (1 + 1e-12))


def test_q_values_need_p_values() -> None:
    assert benjamini_hochberg([]).tolist() == []
    with pytest.raises(ValueError, match="NaN"):
        benjamini_hochberg([0.1, float("nan")])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        benjamini_hochberg([1.5])


@given(families, st.floats(0, 1))
def test_a_larger_family_makes_nothing_easier(p: list[float], another: float) -> None:
    assert np.all(holm([*p, another])[:-1] >= holm(p))


def test_nan_counts_and_stays_nan() -> None:
    assert holm([0.01, np.nan, 0.02]) == pytest.approx([0.03, np.nan, 0.04], nan_ok=True)
    assert holm([]).shape == (0,)


def test_an_invalid_p_value_is_named() -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got \[1.5\]"):
        holm([0.5, 1.5])
    with pytest.raises(ValueError, match=r"got shape \(1, 2\)"):
        holm([[0.5, 0.5]])


def slots_of(sizes: list[list[tuple[str, float]]], *, either: bool = False) -> list[Slot]:
    """Slots of hypotheses given by scenario and weight; the keys are (slot, place)."""
    return [
        Slot(tuple(Hypothesis((slot, place), weight, scenario) for place, (scenario, weight) in enumerate(own)), either)
        for slot, own in enumerate(sizes)
    ]


def test_with_one_hypothesis_a_slot_it_is_holms_procedure() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    correction = Correction(slots_of([[("", 1.0)]] * 4), {(slot, 0): value for slot, value in enumerate(p)})
    assert list(correction.adjusted().values()) == pytest.approx(holm(p))


def test_hypotheses_that_exclude_each_other_cost_nothing() -> None:
    pair = [("small", 1.0), ("large", 0.5)]
    correction = Correction(slots_of([pair]), {(0, 0): 0.04, (0, 1): 0.03})
    assert correction.adjusted() == pytest.approx({(0, 0): 0.04, (0, 1): 0.03})
    # Of two pairs: 0.02 x 2; then the other test of the first pair keeps half a weight: 0.03 x 1.5.
    correction = Correction(slots_of([pair, pair]), {(0, 0): 0.02, (0, 1): 0.9, (1, 0): 0.03, (1, 1): 0.9})
    assert [correction.adjusted()[slot, 0] for slot in (0, 1)] == pytest.approx([0.04, 0.045])


def test_the_two_sides_of_a_decision_free_their_slot_together() -> None:
    decision = [("holds", 1.0), ("fails", 1.0)]
    p = {(0, 0): 0.02, (0, 1): 1.0, (1, 0): 0.04, (1, 1): 0.9}
    assert Correction(slots_of([decision] * 2, either=True), p).adjusted()[1, 0] == pytest.approx(0.04)
    assert Correction(slots_of([decision] * 2), p).adjusted()[1, 0] == pytest.approx(0.08)


def test_a_hypothesis_in_two_slots_is_rejected_in_both_whatever_their_order() -> None:
    heavy, light = Slot((Hypothesis("a", 1.0),)), Slot((Hypothesis("b", 1.0, "small"), Hypothesis("a", 0.5, "large")))
    p = {"a": 0.02, "b": 0.04}
    for slots in ([heavy, light], [light, heavy]):
        correction = Correction(slots, p)
        assert correction.adjusted() == pytest.approx({"a": 0.04, "b": 0.04})
        assert Correction(slots, {"a": 0.9, "b": 0.9}).levels(0.05) == pytest.approx({"a": 0.05 / 2, "b": 0.05 / 2})


def test_what_cannot_be_tested_keeps_its_place() -> None:
    correction = Correction(slots_of([[("", 1.0)]] * 2), {(0, 0): math.nan, (1, 0): 0.03})
    assert math.isnan(correction.adjusted()[0, 0])
    assert correction.adjusted()[1, 0] == pytest.approx(0.06)


def test_levels_are_those_after_what_is_rejected() -> None:
    p = {(0, 0): 0.001, (1, 0): 0.6, (2, 0): 0.4}
    assert Correction(slots_of([[("", 1.0)]] * 3), p).levels(0.05) == pytest.approx(
        {(0, 0): 0.05 / 3, (1, 0): 0.025, (2, 0): 0.025}
    )
    assert Correction(slots_of([[("", 1.0)]] * 3), dict.fromkeys(p, 0.9)).levels(0.05) == pytest.approx(
        dict.fromkeys(p, 0.05 / 3)
    )


PAIR = [("small", 1.0), ("small", 0.5), ("large", 0.5), ("large", 0.25)]


@given(st.lists(st.floats(0.0001, 0.2), min_size=12, max_size=12))
@settings(max_examples=150, deadline=None)
def test_it_rejects_nothing_that_the_closed_test_of_all_possible_truths_does_not(values: list[float]) -> None:
    """Every combination of scenarios, one a slot, is a truth; each of its hypotheses has its share of alpha there."""
    slots = slots_of([PAIR] * 3)
    p = {each.key: value for each, value in zip((each for slot in slots for each in slot.hypotheses), values, strict=True)}
    rejected = {key for key, found in Correction(slots, p).adjusted().items() if found < 0.05}
    for truth in itertools.product(("small", "large"), repeat=len(slots)):
        true = [[each for each in slot.hypotheses if each.scenario == said] for slot, said in zip(slots, truth, strict=True)]
        for subset in itertools.product(*([own[place:] for place in range(len(own))] + [[]] for own in true)):
            total = sum(max((each.weight for each in own), default=0.0) for own in subset)
            levels = {each.key: 0.05 * each.weight / total for own in subset for each in own}
            if rejected & levels.keys():
                assert any(p[key] < level for key, level in levels.items())
