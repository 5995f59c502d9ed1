"""Bounds on several variants: one word for the list, from a joint test, and one for each variant, from its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from simulated import ACTIVATIONS, BASE, comparison, frame, plan_of

from harness.analysis.verdicts import Verdict, judge, model
from harness.analysis.verdicts.looks import Looks
from harness.analysis.verdicts.terms import terms
from harness.experiment.claims import Claim


def one(claim: Claim, values: Mapping[str, Sequence[float]] = ACTIVATIONS) -> Verdict:
    plan = plan_of(tuple(values), [claim], (5,))
    (found,) = judge(plan, frame(plan, values))
    return found


def test_a_list_whose_other_variant_has_diverged_leaves_a_supported_one_its_p_value() -> None:
    plan = plan_of(("base", "no_batchnorm", "gelu"), [comparison("no_gain", "no_batchnorm", "gelu")], (5,))
    runs = frame(plan, {label: ACTIVATIONS[label] for label in ("base", "no_batchnorm", "gelu")})
    lost = (runs["variant"] == "gelu") & (runs["seed"] == runs["seed"].min())
    runs = runs.assign(state=runs["state"].mask(lost, "diverged"), test_accuracy=runs["test_accuracy"].mask(lost))
    (found,) = judge(plan, runs)
    assert (found.verdict, [row.verdict for row in found.rows]) == ("inconclusive", ["supported", "inconclusive"])
    assert found.rows[0].p_equivalence < 0.05


def test_no_gain_takes_the_largest_p_value_of_its_variants() -> None:
    assert one(comparison("no_gain", "gelu", "no_batchnorm")).verdict == "supported"
    assert one(comparison("no_gain", "gelu", "leaky_relu")).verdict == "refuted"
    assert one(comparison("no_loss", "gelu", "leaky_relu")).verdict == "supported"
    assert one(comparison("no_loss", "gelu", "no_batchnorm")).verdict == "refuted"


def test_a_gain_that_is_known_to_stay_below_the_margin_refutes_no_list_either() -> None:
    small = [value + 0.1 + 0.005 * (-1) ** seed for seed, value in enumerate(BASE)]
    values = {**ACTIVATIONS, "small": small}
    noisy = [value + 0.1 + 0.5 * (-1) ** seed for seed, value in enumerate(BASE)]
    assert one(comparison("no_gain", "small"), values).verdict == "supported"
    verdict = one(comparison("no_gain", "small", "noisy"), {**values, "noisy": noisy})
    assert (verdict.verdict, [row.verdict for row in verdict.rows]) == ("inconclusive", ["supported", "inconclusive"])
    assert verdict.rows[0].p_adjusted < 0.05
    # It does not hold the list up: more seeds are for the other one.
    assert [row.seeds_needed is None for row in verdict.rows] == [True, False]
    # A bound on one variant is its own verdict, and a list that is refuted cannot be settled any more.
    assert one(comparison("no_gain", "noisy"), {**values, "noisy": noisy}).rows[0].seeds_needed is not None
    refuted = one(comparison("no_gain", "gelu", "noisy", "leaky_relu"), {**values, "noisy": noisy})
    assert refuted.verdict == "refuted"
    assert [(row.verdict, model.ALONE in row.notes, row.seeds_needed) for row in refuted.rows] == [
        ("supported", False, None),
        ("inconclusive", False, None),
        ("refuted", False, None),
    ]


def test_a_variant_of_a_list_that_is_far_below_the_bound_is_supported_by_itself() -> None:
    noisy = [value + 0.1 + 0.5 * (-1) ** seed for seed, value in enumerate(BASE)]
    values = {**ACTIVATIONS, "noisy": noisy}
    verdict = one(comparison("no_gain", "no_batchnorm", "noisy"), values)
    assert (verdict.verdict, [row.verdict for row in verdict.rows]) == ("inconclusive", ["supported", "inconclusive"])
    # Its p value is its own: of the weights 1, 1/4 and 1/4, it has a quarter. The other shows that of the joint bound.
    alone = one(comparison("no_gain", "no_batchnorm"), values).rows[0]
    assert verdict.rows[0].p_equivalence == pytest.approx(6 * alone.p_equivalence, rel=1e-6)
    assert verdict.rows[1].p_equivalence > 0.05
    # Where all are shown to be below it together, the smaller of both counts.
    together = one(comparison("no_gain", "no_batchnorm", "gelu"))
    assert (together.verdict, [row.verdict for row in together.rows]) == ("supported", ["supported", "supported"])
    assert together.rows[0].p_equivalence < together.rows[1].p_equivalence < 0.05


@pytest.mark.parametrize(("other", "level"), [("noisy", 0.05 / 6), ("gelu", 0.05 / 1.5)])
def test_whether_one_seed_decides_is_told_at_the_level_of_the_test_that_decided(other: str, level: float) -> None:
    values = {**ACTIVATIONS, "noisy": [value + 0.1 + 0.5 * (-1) ** seed for seed, value in enumerate(BASE)]}
    plan = plan_of(tuple(values), [comparison("no_gain", "no_batchnorm", other)], (5,))
    looks = Looks(terms(plan), frame(plan, values))
    (state,) = looks.states
    assert looks.corrected is not None
    assert state.rows[0].verdict == "supported"
    assert state.case.told_at(0, 5, looks.corrected).below == pytest.approx(level)
