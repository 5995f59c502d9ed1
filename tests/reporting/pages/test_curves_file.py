"""curves.json: means of the declared metrics by variant, in a form that other programs read."""

from __future__ import annotations

import json

from reported import EPOCHS, planned
from simulated import BASE, LEAKY, comparison

from harness.reporting.pages import gather
from harness.reporting.pages.curves_file import curves_of, text_of
from harness.store.records import Store


def test_it_holds_mean_range_and_number_of_runs_of_each_variant(store: Store) -> None:
    plan = planned(
        store, {"base": BASE, "leaky_relu": [*LEAKY[:3], "failed", "diverged"]}, [comparison("improves", "leaky_relu")]
    )
    found = json.loads(text_of(curves_of(gather(store, plan, predictions=False))))
    assert (found["schema"], found["plan"], found["question"], found["x"]) == (1, "activations", plan.question, "epoch")
    assert found["variants"] == ["base", "leaky_relu"]
    assert found["metrics"]["test_accuracy"] == {"label": "test accuracy", "unit": "%", "better": "maximize"}
    assert "learning_rate" not in found["metrics"]  # it is recorded, but not declared
    base, leaky = found["lines"]
    assert (base["variant"], base["x"], base["n"]) == (0, list(range(1, EPOCHS + 1)), [5] * EPOCHS)
    assert leaky["n"] == [3] * EPOCHS
    last = {kind: of[-1] for kind, of in base["y"]["test_accuracy"].items()}
    assert last == {"mean": 93.04, "low": min(BASE), "high": max(BASE)}


def test_a_plan_that_has_not_begun_has_no_lines(store: Store) -> None:
    plan = planned(store, {"base": [], "leaky_relu": []})
    found = json.loads(text_of(curves_of(gather(store, plan, predictions=False))))
    assert (found["lines"], found["metrics"]) == ([], {})
