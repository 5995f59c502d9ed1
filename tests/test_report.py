"""`harness report`: reports of finished and unfinished plans, and the printed tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import TESTS
from examples import toy_rows, write_run

from harness import report
from harness.experiment.plan import Plan
from harness.store.records import Store

PlanMaker = Callable[..., Plan]
SEES_THE_TOY = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}


def test_without_names_every_plan_is_reported(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = toy_plan({"base": {}, "better": {"effect": 2.0}}), toy_plan(name="tigers")
    for plan in (first, second):
        store.save_plan(plan)
    for run, score in zip(first.runs, (50.0, 52.0), strict=True):
        write_run(store, first, run, toy_rows(score), state="completed")
    assert report.main(["--results", str(store.paths.root)]) == 0
    shown = capsys.readouterr().out
    assert "+2.00" in shown
    for name in ("toys", "tigers"):
        path = store.paths.report(name) / "index.html"
        assert path.is_file()
        assert f"report  {path}" in shown


def test_json_has_one_summary_per_plan(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    store.save_plan(toy_plan())
    assert report.main(["toys", "--json", "--results", str(store.paths.root)]) == 0
    (summary,) = json.loads(capsys.readouterr().out)["reports"]
    assert (summary["name"], summary["metric"], summary["runs"][0]["state"]) == ("toys", "score", "pending")


def test_a_requirement_needs_names_of_plans_that_can_meet_it(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save_plan(toy_plan())
    where = ("--results", str(store.paths.root))
    assert report.main(["--require", "supported", *where]) == 2
    assert "--require supported: name the plans that must meet it" in capsys.readouterr().err
    assert report.main(["toys", "--require", "supported", *where]) == 2
    assert "--require supported: toys has no claims" in capsys.readouterr().err
    assert not store.paths.reports.exists()


def test_a_name_without_a_plan_writes_nothing(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    store.save_plan(toy_plan())
    assert report.main(["toys", "tois", "--results", str(store.paths.root)]) == 2
    assert "did you mean toys" in capsys.readouterr().err
    assert not store.paths.reports.exists()


def test_damaged_plans_and_runs_do_not_prevent_other_reports(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = toy_plan({"lost": {"effect": 3.0}}, name="lost")
    for plan in (lost, toy_plan()):
        store.save_plan(plan)
    write_run(store, lost, lost.runs[0], [], state="completed")
    result = store.paths.run(lost.runs[0].id).result
    result.write_text("{")
    store.paths.plan("broken").write_text("{")
    assert report.main(["--results", str(store.paths.root)]) == 2
    out, err = capsys.readouterr()
    assert f"report  {store.paths.report('toys') / 'index.html'}" in out
    assert [line.split(": ")[0] for line in err.splitlines()] == [str(store.paths.plan("broken")), str(result)]


def test_an_empty_store_names_the_first_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--results", str(store.paths.root)]) == 0
    assert "harness run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_still_gets_the_report(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan())
    command = [sys.executable, "-m", "harness.report", "toys", "--results", str(store.paths.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=SEES_THE_TOY)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert (store.paths.report("toys") / "index.html").is_file()
