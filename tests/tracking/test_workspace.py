"""The workspace of a plan: as plain values, and as wandb-workspaces makes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import PlanMaker
from mirrors import harness, train
from simulated import comparison
from toy_task import TOY
from wandb_server import ENTITY, PROJECT, Server

from harness.errors import EXIT_OK
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.tracking.report_run import report_page
from harness.tracking.workspace import PANELS, fill, layout

VARIANTS = {"base": {}, "better": {"effect": 5.0}}
CLAIM = comparison("improves", "better", metric="score", margin=0.5)


def made(plan: Plan) -> dict[str, Any]:
    return layout(plan, result_metrics(TOY), list(TOY.metrics), "| verdict | claim |", ["figures/main"], ["predictions"])


def kinds(plain: dict[str, Any]) -> list[str]:
    return [panel["kind"] for section in plain["sections"] for panel in section["panels"]]


def crossed(plan: Plan, *factors: str) -> Plan:
    """The plan as if its variants were cells of these factors."""
    return Plan.model_validate({**dict(plan), "levels": {label: dict.fromkeys(factors, "0") for label in plan.variants}})


def test_variants_are_compared_by_curves_bars_cost_and_their_settings(toy_plan: PlanMaker) -> None:
    plain = made(toy_plan(VARIANTS))
    assert kinds(plain) == ["text", "curves", "curves", "bars", "scatter", "images", "table", "comparer"]
    curves = plain["sections"][1]["panels"]
    assert [(panel["x"], panel["y"], panel["by"]) for panel in curves] == [
        ("epoch", "score", "variant"),
        ("epoch", "loss", "variant"),
    ]
    assert plain["group"] == "toys"
    long = Plan.model_validate({**dict(toy_plan(VARIANTS)), "name": "t" * 150})
    assert made(long)["group"] == report_page(long).group  # as its runs have it


def test_factors_have_a_bar_chart_each_and_several_show_their_importance(toy_plan: PlanMaker) -> None:
    plain = made(crossed(toy_plan(VARIANTS), "optimizer.lr", "dropout"))
    bars = [panel["by"] for panel in plain["sections"][2]["panels"]]
    assert bars == ["harness.factors.optimizer_lr", "harness.factors.dropout"]
    assert {"importance", "parallel"} <= set(kinds(plain))


def test_a_dry_run_prints_workspaces_with_verdicts_and_needs_no_login(store: Store, toy_plan: PlanMaker) -> None:
    train(store, toy_plan(VARIANTS, seeds=3, claims=[CLAIM]))
    words = ("sync", "toys", "--workspace", "--dry-run", "--results", str(store.paths.root))
    done = harness(*words, environment={}, cwd=store.paths.root)
    assert done.returncode == EXIT_OK, done.stderr
    (plain,) = json.loads(done.stdout)["workspaces"]
    text = plain["sections"][0]["panels"][0]["text"]
    assert text.startswith("| verdict | claim | result |")
    assert "| supported | better improves on base |" in text


def test_every_kind_of_panel_is_created(toy_plan: PlanMaker) -> None:
    workspaces = pytest.importorskip("wandb_workspaces.workspaces", reason="the extra `workspace` is not installed")
    view = workspaces.Workspace(entity="team", project="toys", name="toys")
    plain = made(crossed(toy_plan(VARIANTS), "lr", "dropout"))
    fill(view, plain)
    assert set(kinds(plain)) == set(PANELS)
    spec = view._to_model().model_dump_json(by_alias=True, exclude_none=True)
    for part in (
        '"groupBy":"variant.value"',
        '"groupArea":"stddev"',
        '"harness.value.factors.lr"',
        '"name":"group"',
        '"value":"toys"',
    ):
        assert part in spec


def test_a_stored_workspace_is_read_back_by_the_library_with_its_content(toy_plan: PlanMaker) -> None:
    workspaces = pytest.importorskip("wandb_workspaces.workspaces", reason="the extra `workspace` is not installed")
    from wandb_workspaces.workspaces import internal

    view = workspaces.Workspace(entity="team", project="toys", name="toys")
    plain = made(crossed(toy_plan(VARIANTS), "optimizer.lr", "dropout"))
    fill(view, plain)
    model = view._to_model()
    text = model.spec.model_dump_json(by_alias=True, exclude_none=True)  # as the library sends it
    model.spec = internal.WorkspaceViewspec.model_validate_json(text)  # as it reads it
    back = workspaces.Workspace._from_model(model)
    assert [section.name for section in back.sections] == [section["name"] for section in plain["sections"]]
    panels: dict[str, list[Any]] = {name: [] for name in kinds(plain)}
    for section, shown in zip(plain["sections"], back.sections, strict=True):
        for panel, one in zip(section["panels"], shown.panels, strict=True):
            panels[panel["kind"]].append(one)
    assert panels["text"][0].markdown == "| verdict | claim |"
    assert [(each.x.name, [metric.name for metric in each.y], each.groupby.name) for each in panels["curves"]] == [
        ("epoch", [name], "variant") for name in ("score", "loss")
    ]
    spread = {(each.groupby_aggfunc, each.groupby_rangefunc) for each in (*panels["curves"], *panels["bars"])}
    assert spread == {("mean", "stddev")}
    assert [each.groupby.name for each in panels["bars"]] == ["harness.factors.optimizer_lr", "harness.factors.dropout"]
    assert (panels["scatter"][0].x.name, panels["scatter"][0].y.name) == ("parameters", "score")
    assert panels["importance"][0].with_respect_to == "score"
    columns = [each.metric.name for each in panels["parallel"][0].columns]
    assert columns == ["harness.factors.optimizer_lr", "harness.factors.dropout", "score"]
    assert panels["images"][0].media_keys == ["figures/main"]
    assert panels["table"][0].table_name == "predictions"
    assert back.settings.x_axis == "epoch"
    assert back.runset_settings.filters == "Metric(\"Group\") == 'toys'"
    assert [each.name for each in back.runset_settings.groupby] == ["variant"]


@pytest.mark.slow
def test_a_workspace_is_created_once_and_then_updated(store: Store, toy_plan: PlanMaker) -> None:
    pytest.importorskip("wandb_workspaces", reason="the extra `workspace` is not installed")
    train(store, toy_plan(VARIANTS, seeds=3, claims=[CLAIM]))
    words = ("sync", "toys", "--workspace", "--results", str(store.paths.root))
    with Server() as server:
        for _ in range(2):
            done = harness(*words, environment=server.environment(), cwd=store.paths.root)
            assert done.returncode == EXIT_OK, done.stdout + done.stderr
            assert f"workspace toys  uploaded  {server.url}/{ENTITY}/{PROJECT}?nw=" in done.stdout
        (view,) = server.views.values()
    assert view["displayName"] == "toys"
    assert "better improves on base" in view["spec"]
