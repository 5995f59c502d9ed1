"""Versions of the code on the screens of plans, on terminals of any width."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from examples import ACCURACY, ACTIVATIONS, activations_plan, image_records
from rich.console import RenderableType
from screened import some_records, text
from versioned import MAIN_VERSION, MUON, MUON_VERSION, change, version, versioned

from harness.analysis.verdicts import judgement, table
from harness.execution.schedule import count_states
from harness.experiment.plan import Plan
from harness.store.frames import runs_frame
from harness.store.paths import Paths
from harness.terminal import dry_run, json_output, status
from harness.terminal.dry_run import Preview
from harness.terminal.summary import plan_results

LINES = [
    "  code           commit       changes              subject",
    "  main *         3f2a1bc000                        Warm up for 200 steps",
    "  feature/muon   9d8e7f6111   +212 −3 in 2 files   Muon for the hidden layers",
    "",
]


@pytest.fixture
def plan() -> Plan:
    return versioned(activations_plan(("main", "muon")), MAIN_VERSION, MUON_VERSION)


def results(plan: Plan) -> RenderableType:
    values = dict(zip(plan.variants, ACTIVATIONS.values(), strict=False))
    records = image_records(plan, values)
    runs = runs_frame(plan, records)
    return plan_results(plan, records, table(plan, runs, "test_accuracy"), judgement(plan, runs), ACCURACY)


def screens(plan: Plan, width: int = 80) -> list[str]:
    """The dry run, the status and the results."""
    records = some_records(plan)
    preview = Preview(plan, ACCURACY, records, plan.runs, {}, None, None)
    own = status.PlanStatus(plan, count_states(plan, records), 12.0)
    shown = (dry_run.dry_run(preview), status.one_plan(own, records, Paths(Path("results"))))
    return [text(each, width=width) for each in (*shown, results(plan))]


def test_each_version_has_a_line(plan: Plan) -> None:
    for screen in screens(plan):
        lines = screen.splitlines()
        place = lines.index(LINES[0])
        assert lines[place : place + 4] == LINES


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_versions_fit_into_any_width(width: int) -> None:
    hostile = version(
        "x" * 300, MUON, [change(f"{place}.py", 9_999) for place in range(5000)], subject="\x1b[31m\u202e" + "y" * 500
    )
    plan = versioned(activations_plan(("main", "muon")), MAIN_VERSION, hostile)
    for screen in screens(plan, width):
        lines = screen.splitlines()
        place = next(place for place, line in enumerate(lines) if line.startswith("  code"))
        told = lines[place : lines.index("", place)]
        assert all(len(line) <= width for line in told)
        assert "9d8e7f6111" in " ".join(told)
        assert "\x1b" not in screen
        assert "\u202e" not in screen


def test_a_plan_without_versions_shows_none() -> None:
    for screen in screens(activations_plan(("main", "muon"))):
        assert "commit" not in screen


def test_the_documents_have_the_versions(plan: Plan) -> None:
    records = some_records(plan)
    preview = json_output.dry_run(Preview(plan, ACCURACY, records, plan.runs, {}, None, None))
    assert [each["path"] for each in preview["code"]["muon"]["changes"]] == ["train.py", "notes.md"]
    runs = runs_frame(plan, records)
    summary = json_output.summary(plan, records, table(plan, runs, "test_accuracy"), judgement(plan, runs), ACCURACY, None)
    own = json_output.plan_status(status.PlanStatus(plan, count_states(plan, records), 12.0))
    for document in (summary, own):
        assert json.loads(json.dumps(document["code"]))["muon"]["ref"] == "feature/muon"
        assert document["code"]["muon"]["added"] == 212
