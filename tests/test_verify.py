"""`harness verify`: checks, messages, exit codes and refused arguments."""

from __future__ import annotations

import json
import re
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
def test_an_undamaged_store_has_no_problems(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store) == 0
    assert capsys.readouterr().out.splitlines()[0] == "2 runs and 1 plan: no problems found"


def test_a_problem_is_shown_with_its_file_and_advice(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 runs and 1 plan: 1 problem"
    assert lines[1].startswith(f"error  {store.paths.run(damaged.runs[1].id).metrics}: has changed since the run finished")
    assert lines[2].strip() == "restore it from a copy, or remove the run's folder to train it again"


def test_named_runs_alone_are_checked(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (run.id for run in damaged.runs)
    assert run(store, first[:7], first) == 0
    assert capsys.readouterr().out == f"{first}: no problems found\n"
    assert run(store, first, second) == 1
    assert f"{first}, {second}: 1 problem" in capsys.readouterr().out


def test_many_notes_are_shortened_and_leave_the_exit_code_at_0(
    store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        (store.paths.run(toys.runs[0].id).folder / f"notes-{number}.txt").write_text("mine")
    assert run(store, toys.runs[0].id) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": no problems found")
    assert (len(lines), lines[-1]) == (22, "note   and 5 more; --json lists all")


def test_a_repeated_run_has_the_same_bits(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, toys.runs[0].id, "--retrain") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"{toys.runs[0].id}  same bits: 3 epochs on ")
    assert "(cpu, 1 thread)" in out
    assert "repeating the run in a temporary folder" in err


def test_other_bits_are_shown_and_the_exit_code_is_1(
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
    assert "code, machine and threads are the same" in shown
    assert re.search(r"packages: the same \d+ installed", shown)


def test_a_signal_gives_exit_code_75_and_leaves_no_files(
    store: Store, toys: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advance = toy_task.Walk.advance

    def signalled(self: toy_task.Walk, should_stop: Callable[[], bool]) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return advance(self, should_stop)

    monkeypatch.setattr(toy_task.Walk, "advance", signalled)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(store, toys.runs[0].id, "--retrain") == 75
    assert f"{toys.runs[0].id}: stopped; the repetition was discarded" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [store.paths.root.name]


def test_damaged_runs_are_not_repeated(store: Store, damaged: Plan, capsys: pytest.CaptureFixture[str]) -> None:
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
        (["toys"], "invalid run id 'toys'; must be 6 to 12 of the digits 0-9 a-f"),
        (["--retrain"], "--retrain: no run ids given"),
        (["--device", "cpu"], "--device: has no effect without --retrain"),
        (["abcdef", "--retrain", "--device", "tpu"], "--device: 'tpu'"),
    ],
)
@pytest.mark.usefixtures("toys")
def test_bad_input_is_refused(store: Store, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_an_ambiguous_run_id_is_refused(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    twin = toys.runs[0].id[:11] + ("0" if toys.runs[0].id[11] != "0" else "1")
    store.paths.run(twin).folder.mkdir()
    assert run(store, toys.runs[0].id[:8]) == 2
    assert twin in capsys.readouterr().err


@pytest.mark.parametrize(
    ("interrupted", "run_ids"),
    [("store.check.folder.checked", ()), ("store.check.run.check_run", ("0" * 12,)), ("execution.chosen_check.check_chosen", ())],
)
def test_ctrl_c_while_files_are_checked_gives_exit_code_75(  # noqa: PLR0917 - pytest gives them by name
    interrupted: str,
    run_ids: tuple[str, ...],
    store: Store,
    toy_plan: PlanMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"harness.{interrupted}", stop)
    store.save_plan(toy_plan())
    store.paths.run("0" * 12).folder.mkdir(parents=True)
    assert run(store, *run_ids) == 75
    assert capsys.readouterr() == ("", "stopped before everything was checked; nothing was written\n")
