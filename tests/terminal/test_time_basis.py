"""The time of a run, estimated from finished runs of the same task, data and device; never without such runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import PlanMaker
from examples import changed, toy_rows, write_run
from screened import text

from harness.experiment.plan import Plan
from harness.store import provenance
from harness.store.device import device_name
from harness.store.records import Store
from harness.terminal import dry_run, json_output
from harness.terminal.time_basis import TimeBasis, time_basis


def finished(store: Store, plan: Plan, seconds: float, device: str | None = None) -> None:
    """Every run of the plan completed in so many seconds on this machine's processor, or on `device`."""
    store.save_plan(plan)
    facts = provenance.observe("cpu", 1, ("harness", "run"), "here").model_dump(mode="json", by_alias=True)
    facts["device"] = device or device_name("cpu")
    for run in plan.runs:
        write_run(store, plan, run, toy_rows(50.0), state="completed", train_seconds=seconds)
        store.paths.run(run.id).provenance.write_text(json.dumps(facts))


def basis(store: Store, plan: Plan) -> TimeBasis | None:
    return time_basis(store, plan, list(plan.variants.values()))


def test_the_time_is_scaled_by_epochs_and_says_where_it_is_from(store: Store, toy_plan: PlanMaker) -> None:
    finished(store, toy_plan({"base": {"epochs": 3}}, seeds=2, name="earlier"), 30.0)
    plan = toy_plan({"long": {"epochs": 60}}, name="next")
    found = basis(store, plan)
    assert found is not None
    assert (found.seconds, found.runs, found.plans) == (600.0, 2, ("earlier",))
    preview = dry_run.preview(store, plan)
    told = dry_run.cost(preview)
    assert "about 10:00 on 1 worker (10:00 a run, from 2 finished runs of earlier on " in told
    assert json_output.dry_run(preview)["time_basis"]["plans"] == ("earlier",)


def test_runs_with_the_nearest_settings_count(store: Store, toy_plan: PlanMaker) -> None:
    finished(store, toy_plan({"few": {"steps": 4}}, name="few"), 3.0)
    finished(store, toy_plan({"many": {"steps": 400}}, name="many"), 300.0)
    found = basis(store, toy_plan({"more": {"steps": 400, "effect": 2.0}}, name="next"))
    assert found is not None
    assert (found.seconds, found.plans) == (300.0, ("many",))


@pytest.mark.parametrize(
    "other", [{"task_version": "0"}, {"data": {"base": "other toys"}}, {"accelerator": "cuda"}, {"task": "toy_task:OTHER"}]
)
def test_other_tasks_data_and_devices_tell_nothing(store: Store, toy_plan: PlanMaker, other: dict[str, Any]) -> None:
    finished(store, changed(toy_plan({"base": {}}, name="earlier"), **other), 30.0)
    assert basis(store, toy_plan({"base": {"effect": 1.0}}, name="next")) is None


def test_another_model_of_the_device_tells_nothing(store: Store, toy_plan: PlanMaker) -> None:
    finished(store, toy_plan({"base": {}}, name="earlier"), 30.0, device="another processor")
    plan = toy_plan({"base": {"effect": 1.0}}, name="next")
    assert basis(store, plan) is None
    assert "about" not in dry_run.cost(dry_run.preview(store, plan))


def test_missing_data_is_a_warning(store: Store, toy_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.terminal.dry_run.missing_here", lambda *_: ("CIFAR-10 is not in box: the first run downloads it",)
    )
    shown = text(dry_run.dry_run(dry_run.preview(store, toy_plan())))
    assert "WARNING" in shown
    assert "CIFAR-10 is not in box" in shown
