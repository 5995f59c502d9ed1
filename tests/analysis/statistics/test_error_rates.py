"""How often the methods err when the truth is known: at their nominal level, where others that are in use are not.

Every check has teeth: a method known to err more often fails it. The short form of each takes part of a second; the long one
(marked slow) draws more often. A rate may miss its level by four standard errors of its draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from lengths import LONG

from harness.analysis.statistics import best_in_range, holm, paired, possible_optima, sequential_level, sequential_p
from harness.analysis.statistics.sample import summary

LEVEL = 0.05
MARGIN = 0.25
SD = 0.2  # of differences, pp
VARIANTS = 6
DOSES = 5
SCHEDULES = [(3, 5, 8, 12, 20), (3, 5, 10), (5, 10, 15, 20), tuple(range(3, 21))]


@pytest.fixture(params=[2_000, pytest.param(5_000 * LONG, marks=pytest.mark.slow)])
def draws(request: pytest.FixtureRequest) -> int:
    """How many experiments to simulate."""
    return int(request.param)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(2026)


def at_most_level(rate: float, draws: int) -> bool:
    return rate <= LEVEL + 4 * math.sqrt(LEVEL * (1 - LEVEL) / draws)


def at_level(rate: float, draws: int) -> bool:
    return abs(rate - LEVEL) <= 4 * math.sqrt(LEVEL * (1 - LEVEL) / draws)


def experiments(n: int, draws: int, generator: np.random.Generator, mean: float = 0.0, sd: float = SD) -> np.ndarray:
    """Differences [draw, seed]."""
    return generator.normal(mean, sd, (draws, n))


def p_at_looks(differences: np.ndarray, looks: Sequence[int]) -> np.ndarray:
    """Two-sided p [draw, look] of the seeds so far, of differences [draw, seed]."""
    tests = (summary(differences[:, :n].T) for n in looks)
    return np.stack([2 * np.minimum(of.p_above(), of.p_below()) for of in tests], axis=1)


# ---------------------------------------------------------------------------------------------------- the paired t test


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_paired_t_test_errs_at_its_level(n: int, draws: int, generator: np.random.Generator) -> None:
    baseline = generator.normal(93, 0.15, (draws, n))
    variant = baseline + experiments(n, draws, generator)
    rate = np.mean([paired(*pair, None).p < LEVEL for pair in zip(variant, baseline, strict=True)])
    assert at_level(float(rate), draws)


def test_a_percentile_bootstrap_errs_more_often(draws: int, generator: np.random.Generator) -> None:
    n, resamples, draws = 5, 500, min(draws // 2, 5_000)
    chosen = generator.integers(0, n, (resamples, n))
    means = experiments(n, draws, generator)[:, chosen].mean(axis=2)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2], axis=1)
    assert not at_most_level(float(np.mean((low > 0) | (high < 0))), draws)


# ------------------------------------------------------------------------------- several variants against one baseline


def family(n: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """P values [draw, variant] of variants that differ from the one baseline they share by chance only."""
    baseline = generator.normal(93, 0.15, (n, draws, 1))
    of = summary(generator.normal(93, 0.15, (n, draws, VARIANTS)) - baseline)
    return 2 * np.minimum(of.p_above(), of.p_below())


@pytest.mark.parametrize("n", [3, 5, 10])
def test_holm_keeps_the_error_of_six_variants_at_its_level(n: int, draws: int, generator: np.random.Generator) -> None:
    p = family(n, draws, generator)
    assert at_most_level(float(np.mean([holm(one).min() < LEVEL for one in p])), draws)
    assert not at_most_level(float(np.mean(p.min(axis=1) < LEVEL)), draws), "uncorrected, it is over four times the level"


# ----------------------------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize("looks", SCHEDULES, ids=lambda looks: f"{looks[0]}-{len(looks)}-{looks[-1]}")
def test_looks_err_at_their_level_together(looks: tuple[int, ...], draws: int, generator: np.random.Generator) -> None:
    p = p_at_looks(experiments(looks[-1], draws, generator), looks)
    levels = [sequential_level(n, looks, LEVEL) for n in looks]
    assert at_level(float(np.mean((p < levels).any(axis=1))), draws)
    adjusted = np.array([sequential_p(dict(zip(looks, one, strict=True)), looks) for one in p])
    assert at_level(float(np.mean(adjusted < LEVEL)), draws)
    assert not at_most_level(float(np.mean((p < LEVEL).any(axis=1))), draws), "adding seeds until p < .05"


@pytest.mark.parametrize("looks", SCHEDULES[:2], ids=str)
def test_the_intervals_of_all_looks_hold_the_truth_together(
    looks: tuple[int, ...], draws: int, generator: np.random.Generator
) -> None:
    truth = 0.3

    def missed(level_of: dict[int, float]) -> float:
        held = np.ones(draws, dtype=bool)
        for n in looks:
            intervals = [paired(one, np.zeros(n), None, level=level_of[n]).ci for one in differences[:, :n]]
            held &= [low <= truth <= high for low, high in intervals]
        return float(1 - held.mean())

    draws = min(draws // 2, 5_000)
    differences = experiments(looks[-1], draws, generator, mean=truth)
    assert at_level(missed({n: sequential_level(n, looks, LEVEL) for n in looks}), draws)
    assert not at_most_level(missed(dict.fromkeys(looks, LEVEL)), draws)


# ----------------------------------------------------------------------------------------------------------- equivalence


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equivalence_errs_at_its_level_when_the_difference_is_the_margin(
    n: int, draws: int, generator: np.random.Generator
) -> None:
    # A spread that is small next to the margin: then one of the two tests alone decides, and the level is met exactly.
    differences = experiments(n, draws, generator, mean=MARGIN, sd=MARGIN / 25)
    assert at_level(equivalent(differences), draws)
    wide = experiments(n, draws, generator, mean=MARGIN, sd=2 * SD)
    assert at_most_level(equivalent(wide), draws)
    of = summary(wide.T)
    not_significant = np.mean(np.minimum(of.p_above(), of.p_below()) > LEVEL / 2)
    assert not at_most_level(float(not_significant), draws), "p > .05 shows no equivalence"


def equivalent(differences: np.ndarray) -> float:
    zeros = np.zeros(differences.shape[1])
    return float(np.mean([paired(one, zeros, MARGIN).p_tost < LEVEL for one in differences]))


@pytest.mark.parametrize("looks", SCHEDULES[:2], ids=str)
def test_equivalence_at_looks_errs_at_most_at_its_level(
    looks: tuple[int, ...], draws: int, generator: np.random.Generator
) -> None:
    differences = experiments(looks[-1], draws, generator, mean=MARGIN, sd=MARGIN / 25)
    tests = [summary(differences[:, :n].T) for n in looks]
    p_tost = np.stack([np.maximum(of.p_above(-MARGIN), of.p_below(MARGIN)) for of in tests], axis=1)
    adjusted = [sequential_p(dict(zip(looks, np.minimum(2 * one, 1), strict=True)), looks) / 2 for one in p_tost]
    assert at_most_level(float(np.mean(np.array(adjusted) < LEVEL)), draws)
    assert not at_most_level(float(np.mean((p_tost < LEVEL).any(axis=1))), draws)


# ----------------------------------------------------------------------------------------------------------------- doses


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_best_dose_is_among_the_possible_optima(n: int, draws: int, generator: np.random.Generator) -> None:
    # Every dose is as good as the first: nothing makes it harder to keep the first.
    draws = min(draws // 2, 5_000)
    values = generator.normal(93, 0.15, (draws, n, DOSES)) + generator.normal(0, 0.15, (draws, n, 1))
    lost = np.mean([not possible_optima(one, LEVEL)[0] for one in values])
    assert at_most_level(float(lost), draws)
    uncorrected = np.mean([not possible_optima(one, LEVEL * (DOSES - 1))[0] for one in values])
    assert not at_most_level(float(uncorrected), draws)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_best_in_range_errs_at_most_at_its_level_at_its_border(n: int, draws: int, generator: np.random.Generator) -> None:
    # One dose outside is better than those inside by the margin; the others are far behind.
    draws = min(draws // 2, 5_000)
    means = np.array([93 + MARGIN, 93, 93, 80, 80])
    in_range = np.array([False, True, True, False, False])
    values = means + generator.normal(0, SD, (draws, n, DOSES))
    p = np.array([best_in_range(one, in_range, MARGIN) for one in values])
    assert at_most_level(float(np.mean(p < LEVEL)), draws)
    assert not at_most_level(float(np.mean(p / in_range.sum() < LEVEL)), draws), "the better of two, not corrected"
