"""Predictive probability of a decision, against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.statistics import FurtherLook, paired, predictive_power

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
