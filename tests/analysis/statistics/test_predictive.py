"""Predictive probability of a decision, against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.statistics import FurtherLook, paired, predictive_best_in_range, predictive_power

DRAWS = 4_000
MARGIN = 0.25


def simulated(mean: float, sd: float, n: int, looks: list[FurtherLook]) -> float:
    """The share of futures, drawn from the posterior, in which a test of a look rejects."""
    generator = np.random.default_rng(0)
    base = np.array([mean] * n) + sd * _standardised(generator.standard_normal(n))
    decided = 0
    for _ in range(DRAWS):
        sigma = sd * math.sqrt((n - 1) / generator.chisquare(n - 1))
        truth = generator.normal(mean, sigma / math.sqrt(n))
        values = np.concatenate([base, generator.normal(truth, sigma, looks[-1].n - n)])
        decided += any(_rejects(values[: look.n], look) for look in looks)
    return decided / DRAWS


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std(ddof=1)


def _rejects(values: np.ndarray, look: FurtherLook) -> bool:
    of = paired(values, np.zeros(len(values)), MARGIN)
    above = of.p / 2 if of.mean > 0 else 1 - of.p / 2
    tests = [
        (of.p, look.difference),
        (of.p_beyond, look.beyond),
        (of.p_tost, look.equivalence),
        (of.p_nogain, look.below),
        (above, look.above),
    ]
    return any(p < level for p, level in tests)


@pytest.mark.parametrize(
    ("mean", "sd", "n", "looks"),
    [
        (0.05, 0.2, 5, [FurtherLook(8, 0.01), FurtherLook(12, 0.02), FurtherLook(20, 0.037)]),
        (0.02, 0.3, 12, [FurtherLook(20, 0.037, equivalence=0.02)]),
        (-0.1, 0.2, 5, [FurtherLook(10, below=0.02, above=0.02)]),
        (0.4, 0.2, 8, [FurtherLook(20, beyond=0.03, equivalence=0.03)]),
        (0.0, 0.2, 3, [FurtherLook(20, 0.005)]),
    ],
)
def test_it_is_the_share_of_futures_that_decide(mean: float, sd: float, n: int, looks: list[FurtherLook]) -> None:
    found, share = predictive_power(mean, sd, n, MARGIN, looks), simulated(mean, sd, n, looks)
    assert found == pytest.approx(share, abs=0.01 + 4 * math.sqrt(share * (1 - share) / DRAWS))


def test_it_is_the_same_every_time() -> None:
    looks = [FurtherLook(20, 0.05)]
    assert predictive_power(0.1, 0.2, 5, 0.25, looks) == predictive_power(0.1, 0.2, 5, 0.25, looks)


def test_without_spread_or_further_looks_nothing_is_unlikely() -> None:
    assert predictive_power(0.1, 0.0, 5, 0.25, [FurtherLook(20, 0.05)]) == 1.0
    assert predictive_power(0.1, 0.2, 5, 0.25, []) == 1.0


def test_a_range_that_is_clearly_best_is_likely_to_be_shown_and_one_among_equals_is_not() -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal((12, 4))
    noise -= noise.mean(axis=0)
    inside, looks = [False, True, False, False], [(16, 0.02, 0.02), (20, 0.04, 0.04)]
    assert predictive_best_in_range(noise + [92.0, 93.0, 92.2, 91.0], inside, 0.1, looks) > 0.95
    assert predictive_best_in_range(noise + 93.0, inside, 0.01, looks) < 0.1
    assert predictive_best_in_range(noise + 93.0, inside, 0.1, []) == 1.0


def test_of_two_doses_a_range_is_a_bound_on_their_difference() -> None:
    values = np.random.default_rng(1).normal([93.0, 93.05], 0.2, (6, 2))
    looks = [(12, 0.01, 0.02), (20, 0.03, 0.03)]
    found = predictive_best_in_range(values, [True, False], 0.25, looks)
    # The outside minus the inside is shown to be below the margin, or to be above it.
    difference = values[:, 1] - values[:, 0]
    mean, sd = difference.mean(), difference.std(ddof=1)
    both = [FurtherLook(n, below=holds, beyond=2 * fails) for n, holds, fails in looks]
    assert found == pytest.approx(predictive_power(mean, sd, 6, 0.25, both), abs=0.05)
