"""verdicts.json: what it says of a plan and of each claim."""

from __future__ import annotations

import json

import pytest
from reported import planned
from simulated import BASE, GELU, LEAKY, comparison

from harness.reporting.pages import gather
from harness.reporting.pages.verdicts_json import contents, render
from harness.store.records import Store

CLAIMS = [comparison("improves", "leaky_relu"), comparison("improves", "gelu")]
VALUES = {"base": BASE, "leaky_relu": LEAKY, "gelu": GELU}


def test_it_holds_the_plan_and_an_object_a_claim(store: Store) -> None:
    plan = planned(store, VALUES, CLAIMS)
    found = json.loads(render(gather(store, plan)))
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
    found = contents(
        gather(store, planned(store, {label: values[:2] for label, values in VALUES.items()}, CLAIMS, looks=(3, 5, 10)))
    )
    assert (found["complete"], found["look"], found["finished"]) == (False, 0, False)
    assert {(each["verdict"], each["mean"], each["interval"]) for each in found["verdicts"]} == {("waiting", None, None)}


def test_a_held_look_names_the_runs_that_hold_it(store: Store) -> None:
    values = {**VALUES, "gelu": [*GELU[:2], "failed"]}
    found = contents(gather(store, planned(store, {label: row[:3] for label, row in values.items()}, CLAIMS, looks=(3, 5, 10))))
    assert found["holding"] == [{"variant": "gelu", "seed": 2}]
