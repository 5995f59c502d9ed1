"""Holm's and Benjamini-Hochberg's adjustments: the reference, statsmodels, and what they must not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from test_paired import BASE, VARIANTS

from harness.analysis.statistics import benjamini_hochberg, holm, paired

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
