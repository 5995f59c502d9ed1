"""Levels of tests one after another: against the definition, as a budget, and how often discoveries are false."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.statistics.online import lord_level, share

Decisions = Sequence[bool]
ZETA = sum(1 / j**1.6 for j in range(1, 200_000)) + 200_000**-0.6 / 0.6


def levels(decisions: Decisions, alpha: float) -> list[float]:
    """The level of each test and of the next one, if they do not overlap."""
    found = []
    for number in range(1, len(decisions) + 2):
        before = [place for place, rejected in enumerate(decisions[: number - 1], start=1) if rejected]
        found.append(lord_level(number, before, alpha))
    return found


def by_definition(decisions: Decisions, alpha: float) -> list[float]:
    """The same, written as in the paper: a sum over all earlier tests, with the first discovery apart."""
    found = []
    for t in range(1, len(decisions) + 2):
        total, seen = alpha / 2 * (1 / t**1.6) / ZETA, False
        for s in range(1, t):
            if decisions[s - 1]:
                total += (alpha if seen else alpha / 2) * (1 / (t - s) ** 1.6) / ZETA
                seen = True
        found.append(total)
    return found


runs_of_tests = st.lists(st.booleans(), max_size=40)


@given(runs_of_tests, st.floats(0.001, 0.4))
def test_levels_are_those_of_the_definition(decisions: list[bool], alpha: float) -> None:
    assert levels(decisions, alpha) == pytest.approx(by_definition(decisions, alpha), rel=1e-5)


@given(runs_of_tests, st.floats(0.001, 0.4))
def test_what_is_spent_is_at_most_alpha_for_each_discovery_and_once_without_one(decisions: list[bool], alpha: float) -> None:
    spent = np.cumsum(levels(decisions, alpha)[:-1])
    discoveries = np.maximum(1, np.cumsum(decisions))
    assert (spent <= alpha * discoveries + 1e-12).all()


@given(runs_of_tests, st.integers(0, 39), st.floats(0.001, 0.4))
def test_one_more_discovery_lowers_no_later_level(decisions: list[bool], place: int, alpha: float) -> None:
    more = [rejected or number == place for number, rejected in enumerate(decisions)]
    assert all(raised >= level - 1e-15 for raised, level in zip(levels(more, alpha), levels(decisions, alpha), strict=True))


@given(runs_of_tests)
def test_no_level_is_above_alpha_and_none_is_zero(decisions: list[bool]) -> None:
    assert all(0 < level <= 0.05 for level in levels(decisions, 0.05))


def test_without_discoveries_half_of_alpha_is_never_spent() -> None:
    assert sum(share(place) for place in range(1, 100_000)) < 1
    assert sum(levels([False] * 2_000, 0.05)) < 0.025


def test_a_discovery_that_becomes_known_late_raises_the_levels_after_that() -> None:
    """Tests 2 to 4 had begun when that of test 1 became known."""
    assert lord_level(4, [], 0.05) == lord_level(4, [4], 0.05)
    assert lord_level(5, [4], 0.05) == pytest.approx(lord_level(5, [], 0.05) + 0.025 * share(1))


def test_several_discoveries_at_once_raise_no_level_above_alpha() -> None:
    assert lord_level(4, [3] * 9, 0.05) == 0.05


@pytest.mark.parametrize(
    ("number", "known", "alpha"), [(0, [], 0.05), (3, [2, 1], 0.05), (3, [0], 0.05), (1, [], 0.0), (1, [], 1.0)]
)
def test_impossible_histories_are_errors(number: int, known: list[int], alpha: float) -> None:
    with pytest.raises(ValueError, match=r"numbered from 1|between 0 and 1"):
        lord_level(number, known, alpha)


@pytest.mark.parametrize("gains", [0.0, 0.05, 0.3])
def test_the_share_of_false_discoveries_is_at_most_alpha(gains: float) -> None:
    """Independent tests of a normal mean, one-sided, 60 in a row."""
    generator = np.random.default_rng(7)
    shares = []
    for _ in range(400):
        known: list[int] = []
        false = 0
        for number in range(1, 61):
            gain = generator.random() < gains
            p = 0.5 * math.erfc((generator.standard_normal() + (3.0 if gain else 0.0)) / math.sqrt(2))
            if p <= lord_level(number, known, 0.1):
                known.append(number)
                false += not gain
        shares.append(false / max(1, len(known)))
    assert np.mean(shares) <= 0.1 + 2.6 * np.std(shares) / math.sqrt(len(shares))
    if gains == 0.3:
        assert np.mean(shares) > 0.01  # it spends its budget
