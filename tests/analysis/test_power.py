"""Power: which differences the seeds of a plan can detect, and where the spread is taken from."""

from __future__ import annotations

from collections.abc import Callable
from math import isclose

import pytest
from examples import ACTIVATIONS, activations_plan, image_records, toy_rows, write_run

from harness.analysis.power import Power, Spread, differences, evaluate, pooled, power_of
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.tasks.registry import find_task

PlanMaker = Callable[..., Plan]
TOY = result_metrics(find_task("toy_task:TOY"))


def design(looks: tuple[int, ...], spread: Spread | None = None, margin: float | None = 0.25) -> Power:
    return evaluate(Power("test_accuracy", "%", looks, 0.05, margin, 1, spread or Spread(0.2)))


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
    unknown = evaluate(Power("loss", "", (5,), 0.05, 0.1, 1, None))
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


def test_without_earlier_runs_only_percentages_have_a_spread_to_assume(store: Store, toy_plan: PlanMaker) -> None:
    toys = power_of(store, toy_plan({"base": {}, "b": {"effect": 1.0}}, seeds=3), TOY)
    assert toys is not None
    assert toys.spread is None
    plan = activations_plan()
    images = power_of(store, plan, result_metrics(find_task(plan.task)))
    assert images is not None
    assert (images.spread, images.margin, images.comparisons) == (Spread(0.2), 0.25, 3)


def test_one_variant_has_nothing_to_find(store: Store, toy_plan: PlanMaker) -> None:
    assert power_of(store, toy_plan({"base": {}}), TOY) is None
