"""runs.csv and verdicts.json: what they hold, that pandas reads the same numbers, and that no text is a formula."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest
from reported import planned
from simulated import BASE, GELU, LEAKY, comparison

from harness import load_runs
from harness.reporting.pages import gather
from harness.reporting.pages.data_files import csv_cell, runs_csv, verdicts
from harness.store.atomic import to_json
from harness.store.records import Store

CLAIMS = [comparison("improves", "leaky_relu"), comparison("improves", "gelu")]
VALUES = {"base": BASE, "leaky_relu": LEAKY, "gelu": GELU}


def test_pandas_reads_the_numbers_that_were_written(store: Store) -> None:
    plan = planned(store, {"base": BASE, "leaky_relu": [*LEAKY[:4], "failed"]}, parameters={"base": 4_903_082})
    table = pd.read_csv(io.StringIO(runs_csv(gather(store, plan))))
    runs = load_runs(plan.name, store.paths.root)
    assert list(table["id"]) == list(runs["id"])
    for column in ("test_accuracy", "train_loss", "parameters", "train_seconds", "seed", "look"):
        pd.testing.assert_series_equal(table[column], runs[column], check_dtype=False)
    assert list(table.columns[:6]) == ["id", "variant", "seed", "look", "state", "reason"]
    assert list(table.iloc[-1][["variant", "state", "reason"]]) == ["leaky_relu", "failed", "oom"]
    assert set(table["device"]) == {"A processor"}
    assert set(table["code"]) == {"d" * 64}


def test_runs_that_have_not_begun_have_empty_cells(store: Store) -> None:
    plan = planned(store, {"base": [], "leaky_relu": []}, looks=(1,))
    lines = [f"{run.id},{run.variant},0,1,pending,,,,,,False\n" for run in plan.runs]
    assert runs_csv(gather(store, plan)) == "".join(
        ["id,variant,seed,look,state,reason,device,commit,dirty,code,known\n", *lines]
    )


def test_numbers_that_are_none_are_read_as_such(store: Store) -> None:
    plan = planned(store, {"base": [float("inf"), 1.0]}, looks=(2,))
    table = pd.read_csv(io.StringIO(runs_csv(gather(store, plan))))
    assert table["test_accuracy"].iloc[0] == float("inf")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_looks_like_a_formula_is_none(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, -3, None, "a=b", "without -"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) == value


def test_it_holds_the_plan_and_an_object_a_claim(store: Store) -> None:
    plan = planned(store, VALUES, CLAIMS)
    found = json.loads(to_json(verdicts(gather(store, plan))))
    assert {key: found[key] for key in ("schema", "name", "rehearsal", "complete", "look", "finished", "alpha")} == {
        "schema": 1,
        "name": "activations",
        "rehearsal": False,
        "complete": True,
        "look": 5,
        "finished": True,
        "alpha": 0.05,
    }
    assert found["claims_digest"] == plan.claims_digest
    assert found["levels"] == [{"seeds": 5, "level": 0.05}]
    assert [each["verdict"] for each in found["verdicts"]] == ["supported", "equivalent"]
    assert found["verdicts"][0]["mean"] == pytest.approx(0.328)
    assert found["verdicts"][0]["interval"] == pytest.approx([0.2101, 0.4459], abs=1e-4)
    assert set(found["verdicts"][0]["run_ids"]) == {run.id for run in plan.runs if run.variant != "gelu"}


def test_before_a_look_there_are_no_numbers_but_null(store: Store) -> None:
    found = verdicts(
        gather(store, planned(store, {label: values[:2] for label, values in VALUES.items()}, CLAIMS, looks=(3, 5, 10)))
    )
    assert (found["complete"], found["look"], found["finished"]) == (False, 0, False)
    assert {(each["verdict"], each["mean"], each["interval"]) for each in found["verdicts"]} == {("waiting", None, None)}


def test_a_held_look_names_the_runs_that_hold_it(store: Store) -> None:
    values = {**VALUES, "gelu": [*GELU[:2], "failed"]}
    found = verdicts(gather(store, planned(store, {label: row[:3] for label, row in values.items()}, CLAIMS, looks=(3, 5, 10))))
    assert found["holding"] == [{"variant": "gelu", "seed": 2}]
