"""What judging says beside a verdict: differences below the resolution, seeds that stand apart, all seeds as measured."""

from __future__ import annotations

from math import isnan

import pytest
from examples import ACCURACY
from simulated import comparison, frame, plan_of

from harness.analysis.verdicts import judgement, table
from harness.analysis.verdicts.document import document
from harness.tasks.protocol import Metric

BASE = [93.0 + 0.1 * (seed % 3) for seed in range(10)]
LOSSES = [0.50 + 0.01 * (seed % 3) for seed in range(10)]


def test_differences_without_spread_are_tested_against_the_step_of_the_metric() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")])
    (found,) = judgement(plan, frame(plan, {"base": BASE[:5], "b": [base + 0.5 for base in BASE[:5]]})).verdicts
    assert found.verdict == "supported"
    assert found.rows[0].effect is None
    assert "the differences vary less than the metric's smallest known step of 0.1" in found.notes


def test_differences_that_vary_more_than_a_step_have_no_such_note() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")])
    values = [base + 0.5 + 0.2 * (seed % 2) for seed, base in enumerate(BASE[:5])]
    (found,) = judgement(plan, frame(plan, {"base": BASE[:5], "b": values})).verdicts
    assert not any("smallest known step" in note for note in found.notes)


def test_a_seed_that_hides_a_difference_is_named_with_what_the_others_say() -> None:
    """It also gives mean and median different signs; what the other seeds say matters more."""
    plan = plan_of(("base", "b"), [comparison("improves", "b")])
    values = [base + (-2.9 if seed == 3 else 0.5 + 0.01 * (seed % 2)) for seed, base in enumerate(BASE[:5])]
    (found,) = judgement(plan, frame(plan, {"base": BASE[:5], "b": values})).verdicts
    assert "seed 3 (b) stands apart: without it supported" in found.notes


def test_the_effect_of_a_variant_is_that_of_the_look_of_its_estimate() -> None:
    """`b` is decided at 3 seeds, `c` at 10; differences of `b` vary more after its look."""
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b", "c")], looks=(3, 5, 10))
    early = [base + (3.0 + 0.2 * seed**0.5 if seed < 3 else 3.0 + 2.0 * (seed % 2)) for seed, base in enumerate(BASE)]
    late = [base + 0.4 * (seed % 2) + 0.02 for seed, base in enumerate(BASE)]
    (found,) = judgement(plan, frame(plan, {"base": BASE, "b": early, "c": late})).verdicts
    first, second = found.rows
    assert (first.n, second.n) == (3, 10)
    assert first.effect is not None
    assert first.effect.g_z == pytest.approx(first.mean / first.sd * 0.5642, rel=1e-3)  # by hand: Γ(1) / Γ(1/2) for 3 seeds


def test_all_seeds_are_as_measured_in_the_document() -> None:
    """A loss that first fell by 0.1 and then grew: the mean over all seeds is positive."""
    plan = plan_of(("base", "b"), [comparison("improves", "b", metric="train_loss", margin=0.01)], looks=(5,), seeds=10)
    values = [loss + (-0.1 + 0.02 * (seed % 2) if seed < 5 else 0.4) for seed, loss in enumerate(LOSSES)]
    (found,) = judgement(plan, frame(plan, {"base": LOSSES, "b": values}, metric="train_loss")).verdicts
    given = document(found, {**ACCURACY, "train_loss": Metric("nats", "minimize")})
    assert found.later is not None
    assert given["mean"] < 0 < given["later"]["mean"] == -found.later.mean
    assert given["later"]["interval"] == [-found.later.interval[1], -found.later.interval[0]]


def test_a_row_of_the_table_knows_the_seeds_that_it_is_over() -> None:
    claims = [comparison("improves", "b"), comparison("improves", "c")]
    plan = plan_of(("base", "b", "c"), claims, looks=(3, 5, 10), drops_decided=True)
    values = {"base": BASE[:5], "b": [base + 3.0 + 0.01 * seed for seed, base in enumerate(BASE[:3])]}
    values["c"] = [base + effect for base, effect in zip(BASE, (0.4, 0.1, 0.5, 0.3, 0.45), strict=False)]
    rows = {row.variant: row.seeds for row in table(plan, frame(plan, values)).rows}
    assert rows == {"base": 5, "b": 3, "c": 5}


def test_the_p_value_of_an_earlier_verdict_is_not_shown_with_a_difference_of_the_other_sign() -> None:
    claims = [comparison("improves", "b"), comparison("improves", "c")]
    plan = plan_of(("base", "b", "c"), claims, looks=(3, 5, 10))
    collapsing = [base + (1.0 + 0.01 * seed if seed < 3 else -5.0 - 0.1 * seed) for seed, base in enumerate(BASE)]
    unsure = [base + 0.3 * (-1) ** seed for seed, base in enumerate(BASE)]
    runs = frame(plan, {"base": BASE, "b": collapsing, "c": unsure})
    assert judgement(plan, runs).verdicts[0].rows[0].p_adjusted < 0.05
    (row,) = [row for row in table(plan, runs).rows if row.variant == "b"]
    assert row.difference < 0
    assert isnan(row.p)
