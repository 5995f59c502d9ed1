"""Frames: what load_runs and load_curves return, when differences are shown, and which plan a name means."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from examples import toy_rows, write_run

from harness.errors import InputError, StoreError
from harness.frames import compare, compared_seeds, load_curves, load_runs, plan_name, stored_plan
from harness.plan import Plan
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


def runs_frame(values: dict[str, list[float | str]], look: int | None = None) -> pd.DataFrame:
    """Variant -> a value a seed, or a state for a run without one."""
    rows = [
        {
            "id": f"{seed}",
            "variant": variant,
            "seed": seed,
            "look": look,
            "state": value if isinstance(value, str) else "completed",
            "score": math.nan if isinstance(value, str) else value,
        }
        for variant, row in values.items()
        for seed, value in enumerate(row)
    ]
    return pd.DataFrame(rows)


def test_a_plans_frame_has_a_row_a_planned_run_in_its_order(store: Store, toys: Plan) -> None:
    frame = load_runs("toys", store.paths.root)
    assert list(frame["id"]) == [run.id for run in toys.runs]
    assert list(frame.columns[:7]) == ["id", "variant", "seed", "look", "task", "state", "reason"]
    assert list(frame["state"]) == ["completed", "completed", "diverged", "pending"]
    assert list(frame["score"].iloc[:2]) == [50.0, 52.0]
    assert frame["score"].isna().iloc[3]


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


def test_without_a_name_every_run_on_disk_is_there_and_no_variant(store: Store, toys: Plan) -> None:
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


@pytest.mark.usefixtures("toys")
def test_an_unknown_plan_is_refused_with_the_nearest_name(store: Store) -> None:
    with pytest.raises(InputError, match="did you mean toys"):
        stored_plan(store, "tois")


def test_the_experiments_name_alone_points_to_its_profiles(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan(name="toys@smoke"))
    with pytest.raises(InputError, match="did you mean toys@smoke"):
        stored_plan(store, "experiments/toys.yaml")


def test_without_any_plan_the_message_says_how_to_make_one(store: Store) -> None:
    with pytest.raises(InputError, match=r"harness run experiments/toys\.yaml"):
        stored_plan(store, "toys")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("x", "x"),
        ("x@smoke", "x@smoke"),
        ("experiments/x.yaml", "x"),
        ("/far/x.yml@smoke", "x@smoke"),
        ("x@smoke+1a2b3c", "x@smoke+1a2b3c"),
    ],
)
def test_a_path_names_the_plan_of_its_experiment(typed: str, name: str) -> None:
    assert plan_name(typed) == name


def test_a_missing_results_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such results folder"):
        load_runs("toys", tmp_path / "nowhere")


def test_differences_are_means_of_paired_seeds() -> None:
    # Worked by hand: differences 1, 3, 2; base 1, 2, 6 has mean 3 and sd sqrt(7).
    table = compare(runs_frame({"base": [1.0, 2.0, 6.0], "better": [2.0, 5.0, 8.0]}), "score", "base", [3])
    base, better = table.rows
    assert table.seeds == 3
    assert (base.n, base.mean, base.sd) == (3, 3.0, pytest.approx(math.sqrt(7)))
    assert math.isnan(base.difference)
    assert (better.pairs, better.difference) == (3, 2.0)


def test_no_difference_before_every_variant_has_ended_a_look() -> None:
    table = compare(runs_frame({"base": [1.0, 2.0, 3.0], "better": [2.0, 3.0, "running"]}), "score", "base", [3])
    assert table.seeds == 0
    assert [row.n for row in table.rows] == [3, 2]
    assert all(math.isnan(row.difference) for row in table.rows)


def test_between_two_looks_everything_is_over_the_seeds_of_the_first() -> None:
    values: dict[str, list[float | str]] = {
        "base": [1.0, 2.0, 3.0, 100.0, "pending"],
        "better": [2.0, 3.0, 4.0, "running", "pending"],
    }
    table = compare(runs_frame(values), "score", "base", [3, 5])
    assert table.seeds == 3
    assert [(row.n, row.mean) for row in table.rows] == [(3, 2.0), (3, 3.0)]


def test_seeds_beyond_the_last_look_count_once_all_have_ended() -> None:
    ended = runs_frame({"base": [1.0, 2.0, 3.0, 4.0], "better": [2.0, 3.0, 4.0, 9.0]})
    assert compared_seeds(ended, [3]) == 4
    ended.loc[3, "state"] = "running"
    assert compared_seeds(ended, [3]) == 3


def test_a_failed_run_takes_its_pair_with_it() -> None:
    table = compare(runs_frame({"base": [1.0, 2.0, 3.0], "better": [2.0, "failed", 5.0]}), "score", "base", [3])
    better = table.rows[1]
    assert (better.n, better.pairs, better.difference) == (2, 2, 1.5)


def test_infinite_values_count_as_none() -> None:
    table = compare(runs_frame({"base": [1.0, 2.0], "better": [math.inf, 3.0]}), "score", "base", [2])
    assert (table.rows[1].n, table.rows[1].difference) == (1, 1.0)


def test_one_seed_has_no_spread() -> None:
    table = compare(runs_frame({"base": [1.0], "better": [2.0]}), "score", "base", [1])
    assert math.isnan(table.rows[0].sd)
    assert table.rows[1].difference == 1.0


def test_a_metric_that_no_run_has_gives_rows_without_numbers() -> None:
    table = compare(runs_frame({"base": ["failed"], "better": ["pending"]}), "parameters", "base", [1])
    assert [row.n for row in table.rows] == [0, 0]
    assert all(math.isnan(row.mean) for row in table.rows)
