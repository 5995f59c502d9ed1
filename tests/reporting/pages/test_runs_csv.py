"""runs.csv: what it holds, that pandas reads the same numbers, and that no text is a formula."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from reported import planned
from simulated import BASE, LEAKY

from harness import load_runs
from harness.reporting.pages import gather
from harness.reporting.pages.runs_csv import cell, render
from harness.store.records import Store


def test_pandas_reads_the_numbers_that_were_written(store: Store) -> None:
    plan = planned(store, {"base": BASE, "leaky_relu": [*LEAKY[:4], "failed"]}, parameters={"base": 4_903_082})
    table = pd.read_csv(io.StringIO(render(gather(store, plan))))
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
    lines = [f"{run.id},{run.variant},0,1,pending,,,,,\n" for run in plan.runs]
    assert render(gather(store, plan)) == "".join(["id,variant,seed,look,state,reason,device,commit,dirty,code\n", *lines])


def test_numbers_that_are_none_are_read_as_such(store: Store) -> None:
    plan = planned(store, {"base": [float("inf"), 1.0]}, looks=(2,))
    table = pd.read_csv(io.StringIO(render(gather(store, plan))))
    assert table["test_accuracy"].iloc[0] == float("inf")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_looks_like_a_formula_is_none(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, -3, None, "a=b", "without -"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert cell(value) == value
