"""The data of live learning curves: a line for each run, means, what is left out of too many, and the numbers as they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.reporting.pages import curve_data as module
from harness.reporting.pages.curve_data import curve_data, dash_array, shortened
from harness.tasks.protocol import Metric

METRICS = {"accuracy": Metric("%", "maximize"), "loss": Metric("nats", "minimize")}


def run(variant: str, seed: int, accuracy: Sequence[float], state: str = "completed", **columns: Any) -> pd.DataFrame:
    """The epochs of a run."""
    epochs = range(1, len(accuracy) + 1)
    return pd.DataFrame(
        {
            "id": f"{variant}{seed}",
            "variant": variant,
            "seed": seed,
            "state": state,
            "epoch": epochs,
            "accuracy": accuracy,
            **columns,
        }
    )


def data(*runs: pd.DataFrame, variants: Sequence[str] = ("a", "b")) -> dict[str, Any]:
    return curve_data(pd.concat(runs, ignore_index=True), METRICS, variants, {"accuracy"})


def test_each_run_is_a_line_with_its_identity() -> None:
    found = data(run("a", 3, [50.25, 60.5]), run("b", 3, [40, 41], "diverged"))
    assert found["lines"] == [
        {"variant": 0, "seed": 3, "run": "a3", "state": "completed", "x": [1, 2], "y": {"accuracy": [50.25, 60.5]}},
        {"variant": 1, "seed": 3, "run": "b3", "state": "diverged", "x": [1, 2], "y": {"accuracy": [40, 41]}},
    ]
    assert (found["aggregated"], found["note"]) == (False, None)


def test_a_mean_is_over_runs_that_did_not_fail_and_ends_with_the_first_of_them() -> None:
    found = data(run("a", 0, [10, 20, 30]), run("a", 1, [20, 40]), run("a", 2, [90], "failed"), run("b", 0, [1]))
    assert found["means"] == [{"variant": 0, "x": [1, 2], "n": 2, "y": {"accuracy": [15, 30]}}]


def test_every_recorded_number_is_a_metric_declared_ones_first_and_unclaimed_ones_exploratory() -> None:
    found = data(run("a", 0, [1.5], images_per_second=9e4, loss=0.5, empty=np.nan, host="node"))
    assert list(found["metrics"]) == ["accuracy", "loss", "images_per_second"]
    assert found["metrics"]["accuracy"] == {"label": "accuracy", "unit": "%", "better": "maximize", "exploratory": False}
    assert found["metrics"]["loss"]["exploratory"]
    assert found["metrics"]["images_per_second"] == {
        "label": "images per second",
        "unit": "",
        "better": None,
        "exploratory": True,
    }


def test_what_is_not_finite_is_no_value() -> None:
    found = data(run("a", 0, [1.0, np.nan, np.inf, 1e308]))
    assert found["lines"][0]["y"]["accuracy"] == [1, None, None, 1e308]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (93.12, 93.12),
        (0.123456789, 0.12346),
        (123456.7, 123457),
        (4903082.0, 4903082),
        (1.23456789e20, 1.2346e20),
        (-2e-9, -2e-9),
        (sys.float_info.max, sys.float_info.max),
    ],
)
def test_a_number_has_five_significant_digits_and_all_before_the_point(value: float, shown: float) -> None:
    assert shortened(value) == shown


def test_more_runs_than_lines_become_means_with_their_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 3)
    found = data(run("a", 0, [10, 20]), run("a", 1, [20, 40]), run("b", 0, [5, 6]), run("b", 1, [7], "failed"))
    assert (found["aggregated"], found["lines"], found["note"]) == (True, [], "without 1 failed or diverged run")
    first, second = found["means"]
    assert (first["y"], first["low"], first["high"]) == ({"accuracy": [15, 30]}, {"accuracy": [10, 20]}, {"accuracy": [20, 40]})
    assert (second["n"], second["y"]) == (1, {"accuracy": [5, 6]})


def test_more_variants_than_lines_are_the_first_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 2)
    found = data(*(run(name, 0, [1.5]) for name in "cab"), variants=tuple("abc"))
    assert [variant["name"] for variant in found["variants"]] == ["a", "b"]
    assert found["note"] == "the first 2 of 3 variants"


def test_of_too_many_values_every_nth_epoch_is_kept_and_the_last_of_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 12)
    monkeypatch.setattr(module, "FEWEST_POINTS", 2)
    found = data(run("a", 0, list(range(9))), run("a", 1, list(range(6)), "failed"))
    assert [line["x"] for line in found["lines"]] == [[1, 4, 7, 9], [1, 4, 6]]
    assert found["note"] == "one epoch in 3, and the last of each run"


def test_of_too_many_metrics_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 4 * module.FEWEST_POINTS)
    found = data(run("a", 0, [1.0], **{f"extra_{place}": 1.5 for place in range(5)}))
    assert list(found["metrics"]) == ["accuracy", "extra_0"]
    assert found["note"] == "the first 2 of 6 metrics"


def test_without_epochs_there_is_nothing_to_choose() -> None:
    found = data(run("a", 0, []))
    assert (found["metrics"], found["lines"], found["means"]) == ({}, [], [])


def test_dashes_are_those_of_the_pictures() -> None:
    assert dash_array("-") is None
    assert dash_array((0, (5, 1.5))) == "10 3"
