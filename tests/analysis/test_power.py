"""Power: which differences the seeds of a plan can detect, and where the spread is taken from."""

from __future__ import annotations

from collections.abc import Callable
from math import isclose
from typing import Any

import numpy as np
import pytest
from examples import ACTIVATIONS, activations_plan, changed, comparison, image_records, toy_rows, write_run
from simulated import comparison as simulated_comparison
from simulated import frame, plan_of

from harness.analysis.power import Power, Spread, differences, evaluate, pooled, power_of
from harness.analysis.verdicts import judge, terms
from harness.analysis.verdicts.planned import planned_tests
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.tasks.registry import find_task

PlanMaker = Callable[..., Plan]
TOY = result_metrics(find_task("toy_task:TOY"))


def design(
    looks: tuple[int, ...], spread: Spread | None = None, margin: float | None = 0.25, level: float = 0.05, **fields: Any
) -> Power:
    return evaluate(Power("test_accuracy", "%", looks, 0.05, margin, level, spread or Spread(0.2), **fields))


def cifar(plan: Plan) -> Plan:
    """The plan with CIFAR-10 as its data."""
    return changed(plan, data=dict.fromkeys(plan.variants, "cifar10:1"))


def of_images(store: Store, plan: Plan) -> Power:
    found = power_of(store, plan, result_metrics(find_task(plan.task)))
    assert found is not None
    return found


@pytest.mark.parametrize(("seeds", "found", "detectable"), [(3, 0.24, 0.65), (5, 0.56, 0.34)])
def test_a_fixed_number_of_seeds_finds_what_a_paired_t_test_does(seeds: int, found: float, detectable: float) -> None:
    given = design((seeds,))
    assert (round(given.power or 0, 2), round(given.detectable or 0, 2), given.needed) == (found, detectable, 8)


def test_looks_find_nearly_what_all_their_seeds_would_and_take_fewer() -> None:
    looks, fixed = design((3, 5, 8, 12, 20), Spread(0.35)), design((20,), Spread(0.35))
    assert 0.75 < (looks.power or 0) < (fixed.power or 0)
    assert 8 < (looks.mean_seeds or 0) < 17
    assert isclose(looks.detectable or 0, 0.25, abs_tol=0.02)


def test_an_unknown_spread_or_one_seed_gives_no_power() -> None:
    unknown = evaluate(Power("loss", "", (5,), 0.05, 0.1, 0.05, None))
    assert (unknown.power, unknown.detectable, unknown.needed) == (None, None, None)
    assert design((1,)).detectable is None
    assert not design((1,)).underpowered


def test_differences_are_paired_by_seed_and_pooled_about_their_own_means() -> None:
    plan = activations_plan()
    groups = differences(plan, image_records(plan, ACTIVATIONS), plan.over, "test_accuracy")
    known = pooled(groups, (plan.name,))
    # The three standard deviations .0950, .0975 and .3306 have four degrees of freedom each.
    assert known is not None
    assert isclose(known.sd, ((0.0950**2 + 0.0975**2 + 0.3306**2) / 3) ** 0.5, abs_tol=1e-4)
    assert (known.pairs, known.plans) == (15, ("activations",))


def test_runs_that_failed_take_their_pair_with_them_and_two_pairs_are_too_few() -> None:
    plan = activations_plan(("base", "gelu"), 3)
    values = {"base": (93.0, 93.1, 92.9), "gelu": (93.1, "failed", 93.2)}
    groups = differences(plan, image_records(plan, values), plan.over, "test_accuracy")
    assert [round(each, 6) for each in groups[0]] == [0.1, 0.3]
    assert pooled(groups, ()) is None
    assert pooled([[0.1, 0.1, 0.1]], ()) is None


def trained(store: Store, plan: Plan, scores: dict[str, list[float]]) -> Plan:
    store.save_plan(plan)
    for run in plan.runs:
        write_run(store, plan, run, toy_rows(scores[run.variant][run.seed]), state="completed")
    return plan


def test_the_plans_own_pairs_are_known_first(store: Store, toy_plan: PlanMaker) -> None:
    plan = trained(
        store, toy_plan({"base": {}, "b": {"effect": 1.0}}, seeds=3), {"base": [50.0, 51.0, 52.0], "b": [51.0, 53.0, 55.0]}
    )
    found = power_of(store, plan, TOY)
    assert found is not None
    assert found.spread == Spread(1.0, 3, (plan.name,))


def test_pairs_of_another_plan_with_the_same_baseline_are_known_next(store: Store, toy_plan: PlanMaker) -> None:
    other = toy_plan({"base": {}, "b": {"effect": 1.0}}, seeds=3, name="earlier")
    trained(store, other, {"base": [50.0, 51.0, 52.0], "b": [51.0, 53.0, 55.0]})
    stranger = toy_plan({"base": {"noise": 3.0}, "b": {"effect": 2.0}}, seeds=3, name="stranger")
    trained(store, stranger, {"base": [50.0, 51.0, 52.0], "b": [50.0, 60.0, 40.0]})
    found = power_of(store, toy_plan({"base": {}, "c": {"effect": 4.0}}, seeds=5, name="new"), TOY)
    assert found is not None
    assert found.spread == Spread(1.0, 3, ("earlier",))


def test_only_full_runs_of_the_shipped_task_have_a_spread_to_assume(store: Store, toy_plan: PlanMaker) -> None:
    toys = power_of(store, toy_plan({"base": {}, "b": {"effect": 1.0}}, seeds=3), TOY)
    assert toys is not None
    assert toys.spread is None
    full = cifar(activations_plan())
    assert of_images(store, full).spread == Spread(0.2)
    loss = [comparison("gelu", metric="train_loss")]
    others = [
        activations_plan(),
        changed(full, profile="smoke"),
        changed(full, data={**full.data, "gelu": "cifar10_mini:1"}),
        changed(full, overrides=("training.epochs=1",)),
        changed(full, claims=loss),
    ]
    assert [of_images(store, other).spread for other in others] == [None] * 5


def test_a_given_spread_replaces_that_of_earlier_runs(store: Store, toy_plan: PlanMaker) -> None:
    plan = trained(
        store, toy_plan({"base": {}, "b": {"effect": 1.0}}, seeds=3), {"base": [50.0, 51.0, 52.0], "b": [51.0, 53.0, 55.0]}
    )
    found = power_of(store, plan, TOY, sd=0.3)
    assert found is not None
    assert found.spread == Spread(0.3)


def test_all_claims_of_a_plan_share_its_level(store: Store) -> None:
    found = of_images(store, cifar(activations_plan()))
    assert (found.margin, found.level, round(found.power or 0, 2)) == (0.25, 0.05 / 3, 0.30)
    assert found.power == design((5,), level=0.05 / 3).power


def test_the_claim_that_needs_most_seeds_is_shown(store: Store) -> None:
    plan = cifar(activations_plan(claims=[comparison("gelu"), comparison("leaky_relu", kind="no_gain", margin=0.1)]))
    found = of_images(store, plan)
    assert (found.rule, found.margin, found.level, found.claimed) == ("bound", 0.1, 0.025, True)
    unknown = of_images(store, changed(plan, profile="smoke"))
    assert (unknown.margin, unknown.power) == (0.1, None)


def test_a_joint_bound_has_the_power_of_all_its_parts(store: Store) -> None:
    joint = of_images(store, cifar(activations_plan(claims=[comparison(["gelu", "leaky_relu"], kind="no_gain")])))
    one = design((5,), level=0.05 / 1.5, rule="bound")
    assert joint.together == 2
    assert joint.power == (one.power or 0) ** 2
    assert (joint.needed or 0) > (one.needed or 0)
    assert isclose((design((5,), margin=joint.detectable, level=0.05 / 1.5, rule="bound").power or 0) ** 2, 0.8, abs_tol=1e-4)


def test_a_plan_without_comparisons_has_an_exploratory_one(store: Store) -> None:
    threshold = {"kind": "at_least", "metric": "test_accuracy", "variant": "gelu", "value": 90.0}
    for claims in ([threshold], []):
        found = of_images(store, cifar(activations_plan(claims=claims)))
        assert (found.claimed, found.level, found.margin) == (False, 0.05, 0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("looks", "sd"), [((5,), 0.125), ((3, 5, 10), 0.2)])
def test_the_power_is_how_often_the_claim_is_supported(looks: tuple[int, ...], sd: float) -> None:
    """One variant of eight has a true difference, the margin."""
    draws, generator, labels = 200, np.random.default_rng(8), ("base", *"bcdefghi")
    claims = [simulated_comparison("improves", label) for label in labels[1:]]
    plan = plan_of(labels, claims, looks, spending="quadratic")
    levels = {test.level for test in planned_tests(terms(plan))}
    assert levels == {0.05 / 8}
    found = 0
    for _ in range(draws):
        values = generator.normal(0.0, sd, (len(labels), looks[-1]))
        values[0], values[1] = 0.0, values[1] + 0.25
        drawn = {label: list(own + np.sin(np.arange(looks[-1]))) for label, own in zip(labels, values, strict=True)}
        found += judge(plan, frame(plan, drawn))[0].verdict == "supported"
    shown = design(looks, Spread(sd), level=0.05 / 8).power or 0
    tolerance = 4 * (0.25 / draws) ** 0.5
    assert abs(found / draws - shown) < tolerance
    assert shown < (design(looks, Spread(sd)).power or 0) - tolerance, "uncorrected it would be more"


def test_one_variant_has_nothing_to_find(store: Store, toy_plan: PlanMaker) -> None:
    assert power_of(store, toy_plan({"base": {}}), TOY) is None
