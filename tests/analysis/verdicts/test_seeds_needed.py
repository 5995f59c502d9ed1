"""How many fresh seeds an inconclusive comparison asks for, and whether they settle it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count, islice

import numpy as np
import pytest
from simulated import comparison, frame, plan_of

from harness.analysis.statistics import power, seeds_range, sequential_level, single_power
from harness.analysis.verdicts import Estimate, Verdict, judge
from harness.experiment.claims import ThresholdClaim

B = [0.31, 0.12, 0.44]
SD = float(np.std(B, ddof=1))
OTHERS = ("c", "d", "e", "f")


def needed(*kinds: str, scale: float = 1.0, margin: float = 0.25) -> Estimate:
    """The row of b, which has such a claim, beside four variants that are claimed to improve."""
    values = {"base": [0.0] * 3, "b": [scale * value for value in B], **{label: [0.3, -0.2, -0.05] for label in OTHERS}}
    claims = [comparison(kind, "b", margin=margin) for kind in kinds] + [comparison("improves", label) for label in OTHERS]
    plan = plan_of(tuple(values), claims, (3,))
    row = judge(plan, frame(plan, values))[0].rows[0]
    assert row.verdict == "inconclusive"
    return row


def test_the_level_is_that_of_a_plan_with_the_same_claims() -> None:
    assert needed("improves").seeds_needed == seeds_range(SD, 3, 0.25, 0.05 / 5) != seeds_range(SD, 3, 0.25)
    # The direction of the same difference is tested too, and may be found.
    assert needed("equivalent").seeds_needed == seeds_range(SD, 3, 0.25, 0.05 / 5, rule="equivalence")
    assert needed("no_gain").seeds_needed == seeds_range(SD, 3, 0.25, 0.05 / 5, rule="bound")


def test_more_than_a_thousand_seeds_are_not_counted() -> None:
    low, high = needed("improves", scale=7.0).seeds_needed or (0, 0)
    assert low == seeds_range(7 * SD, 3, 0.25, 0.05 / 5)[0] is not None
    assert high is None


def test_without_a_margin_no_number_of_seeds_is_enough() -> None:
    assert needed("improves", margin=0.0).seeds_needed is None


def test_a_joint_bound_needs_what_its_worst_difference_does() -> None:
    values = {"base": [0.0] * 3, "b": B, "c": [0.1, -0.1, 0.05]}
    plan = plan_of(tuple(values), [comparison("no_gain", "b", "c")], (3,))
    (verdict,) = judge(plan, frame(plan, values))
    expected = seeds_range(SD, 3, 0.25, 0.05 / 1.5, single_power(2), rule="bound")
    assert [row.seeds_needed for row in verdict.rows] == [expected, None]  # c is within the bound by itself


def test_with_looks_the_level_is_that_of_the_last() -> None:
    looks = (3, 5, 10)
    plan = plan_of(("base", "b"), [comparison("improves", "b")], looks, spending="quadratic")
    (verdict,) = judge(plan, frame(plan, {"base": [0.0] * 3, "b": B}))
    assert verdict.rows[0].seeds_needed == seeds_range(SD, 3, 0.25, sequential_level(10, looks, 0.05))


def test_thresholds_ask_for_none() -> None:
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="b", value=0.2)
    plan = plan_of(("base", "b"), [claim], (3,))
    (verdict,) = judge(plan, frame(plan, {"base": [0.0] * 3, "b": B}))
    assert (verdict.verdict, verdict.rows[0].seeds_needed) == ("inconclusive", None)


def simulated(kind: str, n: int, generator: np.random.Generator, sd: float) -> Verdict:
    """The verdict on b, of which the claim is just true, beside four variants that do not differ."""
    labels = ("base", "b", *OTHERS)
    plan = plan_of(labels, [comparison(kind, label) for label in labels[1:]], (n,))
    drawn = generator.normal(0.0, sd, (len(labels), n))
    drawn[0], drawn[1] = 0.0, drawn[1] + (0.25 if kind == "improves" else 0.0)
    values: dict[str, Sequence[float]] = {
        label: list(own + np.sin(np.arange(n))) for label, own in zip(labels, drawn, strict=True)
    }
    return judge(plan, frame(plan, values))[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["improves", "equivalent", "no_gain"])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_upper_number_of_seeds_settles_the_claim_four_times_in_five(kind: str, seeds: int) -> None:
    draws, generator = 100, np.random.default_rng(seeds)
    found = (simulated(kind, seeds, generator, 0.25).rows[0] for _ in count())
    asked = [row.seeds_needed for row in islice((row for row in found if row.verdict == "inconclusive"), draws)]
    settled = [simulated(kind, (each and each[1]) or 1_000, generator, 0.25).verdict != "inconclusive" for each in asked]
    assert np.mean(settled) >= 0.8 - 2 * math.sqrt(0.16 / draws)


def test_without_the_correction_it_would_not() -> None:
    draws, generator = 400, np.random.default_rng(2)
    sds = 0.25 * np.sqrt(generator.chisquare(19, draws) / 19)

    def settled(level: float) -> float:
        highs = (seeds_range(float(sd), 20, 0.25, level)[1] for sd in sds)
        return float(np.mean([power(high or 1_000, 0.25, 0.25, 0.05 / 5) for high in highs]))

    assert settled(0.05) < 0.75
    assert settled(0.05 / 5) > 0.85
