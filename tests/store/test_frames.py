"""Frames: what load_runs and load_curves return, and which plan a name means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from examples import toy_rows, write_run

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store.frames import load_curves, load_runs, runs_frame
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def toys(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two variants, two seeds: one run diverged, one pending, two completed."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    store.save_plan(plan)
    first, second, third, _ = plan.runs
    write_run(store, plan, first, toy_rows(50.0), state="completed", parameters=4)
    write_run(store, plan, second, toy_rows(52.0), state="completed", parameters=4)
    rows = [{"epoch": 1, "step": 4, "score": 1.0, "loss": math.nan}]
    write_run(store, plan, third, rows, state="diverged", error="loss is nan", loss="nan")
    return plan


def test_a_plans_frame_has_a_row_a_planned_run_in_its_order(store: Store, toys: Plan) -> None:
    frame = load_runs("toys", store.paths.root)
    assert list(frame["id"]) == [run.id for run in toys.runs]
    assert list(frame.columns[:7]) == ["id", "variant", "seed", "look", "task", "state", "reason"]
    assert list(frame["state"]) == ["completed", "completed", "diverged", "pending"]
    assert list(frame["score"].iloc[:2]) == [50.0, 52.0]
    assert frame["score"].isna().iloc[3]


def test_a_number_called_seed_changes_no_runs_seed(store: Store, toys: Plan) -> None:
    records = store.records(run.id for run in toys.runs)
    strange = {run_id: replace(record, metrics={**record.metrics, "seed": 42.0}) for run_id, record in records.items()}
    assert list(runs_frame(toys, strange)["seed"]) == [run.seed for run in toys.runs]


def test_non_finite_numbers_of_the_files_are_numbers_in_frames(store: Store, toys: Plan) -> None:
    assert math.isnan(load_runs("toys", store.paths.root)["loss"].iloc[2])
    curves = load_curves("toys", store.paths.root)
    assert curves["loss"].dtype == float
    assert math.isnan(curves.loc[curves["id"] == toys.runs[2].id, "loss"].item())


def test_curves_have_a_row_a_run_and_epoch(store: Store, toys: Plan) -> None:
    curves = load_curves("toys", store.paths.root)
    assert list(curves.columns[:5]) == ["id", "variant", "seed", "state", "epoch"]
    assert list(curves["epoch"]) == [1, 2, 3, 1, 2, 3, 1]
    assert list(curves.loc[curves["id"] == toys.runs[1].id, "score"]) == [50.0, 51.0, 52.0]


def test_without_a_name_every_run_on_disk_is_loaded_without_variants(store: Store, toys: Plan) -> None:
    (store.paths.runs / "a foreign folder").mkdir()
    frame, curves = load_runs(results=store.paths.root), load_curves(results=store.paths.root)
    assert set(frame["id"]) == {run.id for run in toys.runs[:3]}
    assert set(curves["id"]) == set(frame["id"])
    assert "variant" not in frame
    assert "variant" not in curves


def test_an_empty_store_gives_empty_frames_with_their_columns(store: Store) -> None:
    assert list(load_runs(results=store.paths.root).columns) == ["id", "seed", "task", "state", "reason"]
    assert list(load_curves(results=store.paths.root).columns) == ["id", "seed", "state", "epoch"]


def test_a_damaged_spec_is_named(store: Store, toys: Plan) -> None:
    spec = store.paths.run(toys.runs[0].id).spec
    spec.write_text("{")
    with pytest.raises(StoreError, match=r"spec\.json"):
        load_runs(results=store.paths.root)


def test_a_missing_results_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such results folder"):
        load_runs("toys", tmp_path / "nowhere")
