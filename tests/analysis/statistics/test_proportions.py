"""Paired proportions: published examples, statsmodels, and exact error rates."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy
from scipy.stats import binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from harness.analysis.statistics import proportions
from harness.analysis.statistics.proportions import margin_p, mcnemar, paired_proportions, score, tango_interval

TABLES = [(1, 7, 21), (40, 20, 160), (0, 1, 44), (9, 2, 44), (0, 0, 30), (12, 0, 50), (86, 150, 1600), (31, 12, 400)]


def test_tangos_score_gives_the_published_numbers() -> None:
    # Tango 1998, cleaning of contact lenses: n = 44, one discordant pair; z = 1.709 at a difference of -0.1.
    assert float(score(0, 1, 44, -0.1)) == pytest.approx(1.709, abs=5e-4)
    assert tango_interval(0, 1, 44, 0.1) == pytest.approx((-0.096, 0.037), abs=5e-4)
    # Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness.
    assert tango_interval(1, 7, 21, 0.05) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("one", "other", "n"), TABLES)
def test_the_score_is_that_of_the_constrained_maximum_likelihood(one: int, other: int, n: int) -> None:
    for difference in (-0.3, -0.02, 0.05, 0.4):
        low, high = max(0.0, -difference), (1 - difference) / 2

        def loss(rare: float, difference: float = difference) -> float:
            shares = (rare + difference, rare, 1 - 2 * rare - difference)
            return -float(sum(xlogy(count, max(share, 1e-300)) for count, share in zip((one, other, n - one - other), shares)))  # noqa: B905

        rare = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        expected = (one - other - n * difference) / np.sqrt(n * (2 * rare + difference - difference**2))
        assert float(score(one, other, n, difference)) == pytest.approx(float(expected), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("one", "other", "n"), TABLES)
def test_statsmodels_agrees_about_no_difference(one: int, other: int, n: int) -> None:
    table = [[n - one - other, one], [other, 0]]
    assert mcnemar(one, other) == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    if one + other:
        asymptotic = reference_mcnemar(table, exact=False, correction=False).pvalue
        assert 2 * norm.sf(abs(float(score(one, other, n, 0.0)))) == pytest.approx(asymptotic)


@pytest.mark.parametrize(("one", "other", "n"), [*TABLES, (5, 0, 200), (6, 0, 200), (0, 6, 200), (40, 12, 60)])
@pytest.mark.parametrize("level", [0.05, 0.01, 0.0004])
def test_the_interval_contains_0_if_and_only_if_the_exact_test_does_not_reject(
    one: int, other: int, n: int, level: float
) -> None:
    found = paired_proportions(one, other, n, 0.02, level)
    low, high = found.ci
    assert low <= (one - other) / n <= high
    assert (low < 0 < high or (low <= 0 <= high and found.p >= level)) == (found.p >= level)


@pytest.mark.parametrize(("one", "other", "n"), TABLES)
def test_exchanging_the_sides_mirrors_every_number(one: int, other: int, n: int) -> None:
    found, mirrored = paired_proportions(one, other, n, 0.05, 0.05), paired_proportions(other, one, n, 0.05, 0.05)
    assert (found.p, found.p_tost, found.p_beyond) == (mirrored.p, mirrored.p_tost, mirrored.p_beyond)
    assert found.ci == pytest.approx((-mirrored.ci[1], -mirrored.ci[0]), abs=1e-9)


def test_without_any_discordant_case_equivalence_is_shown_by_enough_cases() -> None:
    few, many = (paired_proportions(0, 0, n, 0.05, 0.05) for n in (30, 200))
    assert few.p == many.p == 1.0
    assert few.p_tost > 0.05 > many.p_tost
    assert many.ci[0] < 0 < many.ci[1] < 0.05


def size(n: int, margin: float, discordance: float, alpha: float = 0.05) -> float:
    """The exact probability that a difference of `margin` is ruled out although it is the true one."""
    only_variant, only_baseline = (discordance + margin) / 2, max((discordance - margin) / 2, 0.0)

    def reach(share: float) -> int:
        return min(n, ceil(n * share + 6 * np.sqrt(n * share) + 8))

    total = 0.0
    for other in range(reach(only_baseline) + 1):
        rejected = [one for one in range(min(reach(only_variant), n - other) + 1) if margin_p(one, other, n, margin) < alpha]
        ones = np.array(rejected, dtype=float)
        rest = n - other - ones
        logs = gammaln(n + 1) - gammaln(ones + 1) - gammaln(other + 1) - gammaln(rest + 1)
        logs += xlogy(ones, only_variant) + xlogy(other, only_baseline) + xlogy(rest, 1 - only_variant - only_baseline)
        total += float(np.exp(logs).sum())
    return total


@pytest.mark.parametrize("n", [30, 55])
@pytest.mark.parametrize(("margin", "discordance"), [(0.02, 0.02), (0.05, 0.05), (0.05, 0.2), (0.1, 0.1), (0.1, 0.2)])
def test_a_difference_of_the_margin_is_ruled_out_in_at_most_5_percent(n: int, margin: float, discordance: float) -> None:
    assert size(n, margin, discordance) <= 0.05


def test_beyond_its_limit_the_normal_approximation_continues_the_exact_test() -> None:
    n = proportions.EXACT
    for one, other in ((100, 80), (60, 40), (20, 22)):
        scaled = float(norm.cdf(float(score(one, other, n, 0.05))))
        assert margin_p(one, other, n, 0.05) == pytest.approx(scaled, rel=0.1, abs=2e-6)


@pytest.mark.parametrize(("ones", "n", "bound"), [(0, 20, 0.1), (20, 20, 0.9), (13, 20, 0.5), (282, 400, 0.6)])
def test_scipy_agrees_about_one_proportion(ones: int, n: int, bound: float) -> None:
    above, below = proportions.binomial(ones, n, bound)
    assert above == pytest.approx(binomtest(ones, n, bound, alternative="greater").pvalue)
    assert below == pytest.approx(binomtest(ones, n, bound, alternative="less").pvalue)
    expected = binomtest(ones, n).proportion_ci(0.95, method="exact")
    assert proportions.clopper_pearson(ones, n, 0.05) == pytest.approx((expected.low, expected.high))
