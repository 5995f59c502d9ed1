"""Levels far below the tables of looks, as late comparisons of a loop have them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.statistics import detectable, paired, seeds_needed, sequential_level, sequential_p, sequential_power
from harness.analysis.statistics import sequential as sequential_module
from harness.analysis.statistics.sequential import shipped

LOOKS = (3, 5, 10)
TINY = (3e-4, 1e-5, 1e-7, 1e-10)


@pytest.mark.parametrize("alpha", TINY)
def test_levels_of_looks_go_to_zero_in_proportion(alpha: float) -> None:
    levels = [sequential_level(n, LOOKS, alpha) for n in LOOKS]
    assert levels == pytest.approx([level * alpha / 0.001 for level in (sequential_level(n, LOOKS, 0.001) for n in LOOKS)])
    assert 0 < levels[0] < levels[1] < levels[2] < alpha


@pytest.mark.parametrize("alpha", TINY)
def test_a_p_value_over_looks_is_below_a_level_exactly_if_a_look_rejects(alpha: float) -> None:
    level = sequential_level(5, LOOKS, alpha)
    assert sequential_p({3: 0.5, 5: level * 0.999}, LOOKS) < alpha
    assert sequential_p({3: 0.5, 5: level * 1.001}, LOOKS) > alpha


def test_no_level_is_more_than_a_tenth_above_what_the_looks_allow() -> None:
    """By the inequality of Bonferroni a smaller constant is always valid."""
    for looks in ((3, 5, 10), (3, 5, 8, 12, 20)):
        table = shipped(looks)
        assert table is not None
        valid = 1 / sum(table.share(n) for n in looks)
        assert table.c(1e-8) / 1e-8 < 1.1 * valid


@pytest.mark.slow
def test_the_probability_of_a_rejection_is_close_to_a_tiny_level() -> None:
    generator, alpha = np.random.default_rng(1), 1e-4
    table = shipped(LOOKS)
    assert table is not None
    found = sum(
        int((sequential_module._min_scaled_p(LOOKS, 500_000, generator, "quadratic") <= table.c(alpha)).sum()) for _ in range(32)
    )
    expected = 32 * 500_000 * alpha
    assert abs(found - expected) < 0.06 * expected + 3 * math.sqrt(expected)


@pytest.mark.parametrize("alpha", TINY)
def test_power_seeds_and_intervals_exist_at_tiny_levels(alpha: float) -> None:
    found = sequential_power(LOOKS, 3.0, 1.0, alpha, shipped(LOOKS))
    assert 0 <= found.power <= 1
    needed = seeds_needed(1.0, 1.0, alpha)
    assert needed is not None
    assert needed > (seeds_needed(1.0, 1.0, 0.05) or 0)
    assert detectable(20, 1.0, alpha) > detectable(20, 1.0, 0.05)
    found_at, usual = (paired([1.0, 1.2, 0.9, 1.1], [0.0, 0.1, -0.1, 0.2], 0.5, level=level) for level in (alpha, 0.05))
    assert -math.inf < found_at.ci[0] < usual.ci[0] < usual.ci[1] < found_at.ci[1] < math.inf
