"""`harness verify`: what it checks, what it says, its exit codes, and what it refuses."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_task

from harness import verify, worker
from harness.experiment.plan import Plan
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def toys(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two trained runs."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}})
    assert worker.main([str(store.save_plan(plan)), "--threads", "1"]) == 0
    return plan


@pytest.fixture
def damaged(store: Store, toys: Plan) -> Plan:
    """The second run lacks its last line."""
    path = store.paths.run(toys.runs[1].id).metrics
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    return toys


def run(store: Store, *arguments: str) -> int:
    return verify.main([*arguments, "--results", str(store.paths.root)])


@pytest.mark.usefixtures("toys")
def test_a_whole_store_is_said_to_be_whole(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store) == 0
    assert capsys.readouterr().out.splitlines()[0] == "2 runs and 1 plan: whole"


def test_a_problem_is_told_with_its_file_and_what_to_do(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 runs and 1 plan: 1 problem"
    assert lines[1].startswith(f"wrong  {store.paths.run(damaged.runs[1].id).metrics}: has changed since the run finished")
    assert lines[2].strip() == "restore it from a copy, or remove the run's folder to train it again"


def test_named_runs_alone_are_checked(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (run.id for run in damaged.runs)
    assert run(store, first[:7], first) == 0
    assert capsys.readouterr().out == f"{first}: whole\n"
    assert run(store, first, second) == 1
    assert f"{first}, {second}: 1 problem" in capsys.readouterr().out


def test_many_notes_are_cut_short_and_change_no_exit_code(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(25):
        (store.paths.run(toys.runs[0].id).folder / f"notes-{number}.txt").write_text("mine")
    assert run(store, toys.runs[0].id) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": whole")
    assert (len(lines), lines[-1]) == (22, "note   and 5 more; --json has them all")


def test_a_run_trained_again_is_said_to_have_the_same_bits(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, toys.runs[0].id, "--retrain") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"{toys.runs[0].id}  same bits: 3 epochs on ")
    assert "(cpu, 1 thread)" in out
    assert "training again in a temporary folder" in err


def test_other_bits_are_told_and_the_exit_code_is_1(
    store: Store, toys: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advance = toy_task.Walk.advance

    def further(self: toy_task.Walk, should_stop: Callable[[], bool]) -> Any:
        row = advance(self, should_stop)
        return row and {**row, "score": row["score"] + 0.5 * (self.epoch >= 2)}  # type: ignore[operator]

    monkeypatch.setattr(toy_task.Walk, "advance", further)
    assert run(store, toys.runs[0].id, "--retrain") == 1
    shown = capsys.readouterr().out
    assert f"{toys.runs[0].id}  differs from epoch 2 on: 3 epochs on " in shown
    assert "the bits should be the same" in shown
    assert ["score", "0.5"] in [line.split() for line in shown.splitlines()]
    assert "code, packages, machine and threads are the same" in shown


def test_stopped_by_a_signal_it_ends_with_75_and_leaves_nothing(
    store: Store, toys: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advance = toy_task.Walk.advance

    def signalled(self: toy_task.Walk, should_stop: Callable[[], bool]) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return advance(self, should_stop)

    monkeypatch.setattr(toy_task.Walk, "advance", signalled)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(store, toys.runs[0].id, "--retrain") == 75
    assert f"{toys.runs[0].id}: stopped; nothing of it is kept" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [store.paths.root.name]


def test_what_is_damaged_is_not_trained_again(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, damaged.runs[1].id, "--retrain") == 1
    out, err = capsys.readouterr()
    assert "bits" not in out
    assert "nothing was trained" in err


def test_json_is_one_document(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    (store.paths.root / "notes.txt").write_text("mine")
    assert run(store, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["runs"], document["plans"], document["repeated"]) == (2, 1, [])
    assert [problem["path"] for problem in document["problems"]] == [str(store.paths.run(damaged.runs[1].id).metrics)]
    assert document["notes"][0]["path"].endswith("notes.txt")
    assert run(store, damaged.runs[0].id, "--retrain", "--json") == 0
    (again,) = json.loads(capsys.readouterr().out)["repeated"]
    assert (again["same"], again["largest"], again["threads"], again["epochs"]) == (True, {}, 1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abcdef012345"], "no run 'abcdef012345'"),
        (["toys"], "'toys' is no run id; allowed: 6 to 12 of the digits 0-9 a-f"),
        (["--retrain"], "--retrain: trains runs again, so name them"),
        (["--device", "cpu"], "--device: says where to train again"),
        (["abcdef", "--retrain", "--device", "tpu"], "--device: 'tpu'"),
    ],
)
@pytest.mark.usefixtures("toys")
def test_bad_input_is_refused(store: Store, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_start_that_several_runs_share_is_refused(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    twin = toys.runs[0].id[:11] + ("0" if toys.runs[0].id[11] != "0" else "1")
    store.paths.run(twin).folder.mkdir()
    assert run(store, toys.runs[0].id[:8]) == 2
    assert twin in capsys.readouterr().err
