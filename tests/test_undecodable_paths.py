"""A results folder whose path is not UTF-8: trained in, shown, reported and verified; its bytes are escaped where people read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import PlanMaker

from harness import report, run, status, verify, worker
from harness.common.undecodable import SHOWN, shown
from harness.store.records import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Its folder is called caf, and the byte 0xE9."""
    return Store.open(tmp_path / os.fsdecode(b"caf\xe9"))


def test_bytes_that_are_not_utf8_are_escaped_and_the_rest_stays() -> None:
    assert shown("café ± \udce9") == "café ± \\xe9"
    assert "±\udce9\ud800".encode("ascii", errors=SHOWN) == b"?\\xe9?"


def test_every_command_works_there(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    plan, root = toy_plan({"base": {}, "better": {"effect": 3.0}}, seeds=2), str(store.paths.root)
    assert worker.main([str(store.save_plan(plan))]) == 0
    run_id = plan.runs[0].id
    assert status.main(["--results", root]) == 0
    assert status.main(["toys", "--results", root]) == 0
    assert status.main([run_id, "--results", root]) == 0
    assert f"caf\\xe9/runs/{run_id}/log.txt" in capsys.readouterr().out
    assert status.main([run_id, "--json", "--results", root]) == 0
    assert str(store.paths.run(run_id).log) in json.loads(capsys.readouterr().out)["files"]
    assert report.main(["--results", root]) == 0
    folder = store.paths.report("toys")
    assert "caf\\xe9" in (folder / "report.md").read_text("utf-8")
    assert "caf\\xe9" in (folder / "index.html").read_text("utf-8")
    assert verify.main(["--results", root]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_program_there_is_refused_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "walk.py").write_text("print('score 5.0')\n")
    path = folder / "walk.yaml"
    path.write_text(
        "question: Does it walk?\nseeds: 2\n"
        "task: {command: 'python walk.py --seed {seed}', metrics: {score: {goal: maximize, text: 'score {value}'}}}\n"
    )
    assert run.main([str(path), "--dry-run", "--results", str(tmp_path / "results")]) == 2
    assert "walk.yaml:3:7: task: the path of the program's folder is not UTF-8: " in capsys.readouterr().err
