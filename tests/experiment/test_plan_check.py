"""A plan whose parts contradict each other is refused with the place and the choices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from examples import comparison

from harness import report
from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.experiment.plan_check import missing_runs, problems, unknown_metrics
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def plan(toy_plan: PlanMaker) -> Plan:
    """Two variants, two looks, a claim."""
    made = toy_plan({"base": {}, "better": {"effect": 2.0}}, looks=(2, 3))
    return Plan.model_validate({**dict(made), "claims": (comparison("better", metric="score"),)})


def changed(plan: Plan, **fields: Any) -> Plan:
    return Plan.model_validate({**json.loads(plan.model_dump_json(by_alias=True)), **fields})


def test_a_planned_plan_has_no_problems(plan: Plan) -> None:
    assert list(problems(plan)) == []
    assert missing_runs(plan) == []


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"claims": [comparison("bettr", metric="score")]}, "claims: claim 1: no variant 'bettr'; did you mean better?"),
        ({"claims": [comparison("better", over="bass")]}, "claims: claim 1: no variant 'bass'; did you mean base?"),
        ({"claims": [comparison("better", margin=-1.0)]}, "claims: claim 1: the margin -1 is negative"),
        ({"claims": [comparison("better", where={"lr": "1"})]}, "claims: claim 1: where: no factor 'lr'; there are none"),
        (
            {"claims": [{"kind": "at_least", "metric": "score", "variant": "x", "value": 1.0}]},
            "claims: claim 1: no variant 'x'; choose from: base, better",
        ),
        (
            {"claims": [{"kind": "declines_beyond", "metric": "score", "factor": "lr", "beyond": 1.0}]},
            "claims: claim 1: no factor 'lr'; there are none",
        ),
        ({"looks": [3, 2]}, "looks: [3, 2] are not increasing numbers of seeds"),
        ({"looks": []}, "looks: [] are not increasing numbers of seeds"),
        ({"alpha": 0.0}, "alpha: 0 is not between 0 and 1"),
        ({"alpha": 1.0}, "alpha: 1 is not between 0 and 1"),
        ({"margin": -0.5}, "margin: -0.5 is not a size; a margin is positive"),
        ({"runs": []}, "runs: there are none"),
    ],
)
def test_a_changed_plan_has_the_problem(plan: Plan, fields: dict[str, Any], what: str) -> None:
    assert what in list(problems(changed(plan, **fields)))


def test_runs_twice_and_out_of_order_are_problems(plan: Plan) -> None:
    runs = [dict(run) for run in plan.runs]
    assert any("is listed twice" in what for what in problems(changed(plan, runs=[*runs, runs[-1]])))
    assert any("comes after seed 2" in what for what in problems(changed(plan, runs=[runs[-1], *runs[:-1]])))


def test_missing_runs_are_named(plan: Plan) -> None:
    assert missing_runs(changed(plan, runs=[dict(run) for run in plan.runs[:-1]])) == ["better seed 2"]


def test_a_claim_about_another_metric_is_named_with_the_choices(plan: Plan) -> None:
    assert list(unknown_metrics(plan, ["score", "loss"])) == []
    (found,) = unknown_metrics(plan, ["loss"])
    assert found == "claims: claim 1: toy_task:TOY has no metric 'score'; choose from: loss"


@pytest.mark.parametrize(
    ("claim", "what"),
    [
        (comparison("bettr", metric="score"), "claims: claim 1: no variant 'bettr'; did you mean better?"),
        (comparison("better", metric="scores"), "claims: claim 1: toy_task:TOY has no metric 'scores'; did you mean score?"),
    ],
)
def test_commands_name_the_file_and_exit_with_2(
    store: Store, plan: Plan, claim: dict[str, Any], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.save_plan(changed(plan, claims=[claim]))
    assert report.main([plan.name, "--results", str(store.paths.root)]) == 2
    assert f"{path}: {what}" in capsys.readouterr().err
    if "metric" not in what:
        with pytest.raises(StoreError, match="no variant"):
            store.load_plan(plan.name)
