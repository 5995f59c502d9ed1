"""The tests that a plan will make: what is tested, and the level that the correction leaves it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from simulated import comparison, plan_of

from harness.analysis.verdicts import terms
from harness.analysis.verdicts.planned import PlannedTest, planned_tests
from harness.experiment.claims import Claim, ContrastClaim, DeclineClaim, ThresholdClaim

BEST = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="b", value=93.0)
DOSES = {"base": 0.1, "b": 0.2, "c": 0.3}
DECLINE = DeclineClaim(metric="test_accuracy", factor="dropout", beyond=0.1)


def planned(claims: Sequence[Claim], looks: Sequence[int] = (5,)) -> tuple[PlannedTest, ...]:
    levels = {label: {"dropout": label} for label in DOSES}
    return planned_tests(terms(plan_of(tuple(DOSES), claims, looks, levels=levels, factors={"dropout": DOSES})))


def test_one_claim_is_tested_at_alpha() -> None:
    assert planned([comparison("improves", "b")]) == (PlannedTest("test_accuracy", "direction", 0.25, 0.05),)
    assert planned([comparison("equivalent", "b")]) == (PlannedTest("test_accuracy", "equivalence", 0.25, 0.05),)
    assert planned([comparison("no_gain", "b")]) == (PlannedTest("test_accuracy", "bound", 0.25, 0.05),)


def test_claims_of_every_kind_share_the_level() -> None:
    claims = [comparison("improves", "b", "c"), comparison("no_loss", "c"), BEST, DECLINE]
    assert [(test.rule, test.level) for test in planned(claims)] == [
        ("direction", pytest.approx(0.05 / 5)),
        ("direction", pytest.approx(0.05 / 5)),
        ("bound", pytest.approx(0.05 / 5)),
    ]


def test_a_comparison_in_two_claims_counts_once() -> None:
    same = [comparison("improves", "b"), comparison("worsens", "b")]
    assert [test.level for test in planned(same)] == [0.05, 0.05]


def test_all_of_a_joint_bound_must_pass_together() -> None:
    tests = planned([comparison("no_gain", "b", "c")])
    # One of the two directions that refute it may be found as well, each with a quarter of the weight.
    assert [(test.together, test.level) for test in tests] == [(2, pytest.approx(0.05 / 1.5))] * 2


def test_a_contrast_spreads_more_or_less_than_a_difference() -> None:
    contrast = ContrastClaim(metric="test_accuracy", weights={"b": 1, "base": -0.5, "c": -0.5}, sign="positive", margin=0.25)
    (test,) = planned([contrast])
    assert test == PlannedTest("test_accuracy", "direction", 0.25, 0.05, scale=pytest.approx(0.75**0.5))


def test_other_claims_and_metrics_without_spread_have_no_such_test() -> None:
    assert planned([BEST, DECLINE, comparison("improves", "b", metric="parameters")]) == ()
