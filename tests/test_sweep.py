"""`harness sweep` on the toy task, with real worker processes: complete, stopped, killed and extended searches, and refused arguments."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS
from examples import golden

from harness import run, status
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial, counted
from harness.store.records import Store
from harness.sweep import main

pytestmark = pytest.mark.slow

SEARCH = """
question: How far does a toy walk?
task: toy_task:TOY
margin: 1
search:
  space: {effect: {range: [-3, 3]}, noise: {range: [0.5, 2], log: true}}
  trials: 6
  pruner: median
  confirm: {top: 2, seeds: 3}
profiles:
  slow: {config: {sleep: 0.02, epochs: 5}}
  broken: {config: {fail_at: 1}}
"""
QUICK = ("--worker-option=--beat-s=0.1", "--worker-option=--stale-s=1", "--worker-option=--poll-s=0.05")


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search on the toy task, in an empty folder that is the current one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.delenv("HARNESS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toys.yaml"
    path.write_text(SEARCH)
    return path


@pytest.fixture
def unconfirmed(toys: Path) -> Path:
    """The same without its confirmation."""
    toys.write_text(toys.read_text().replace("  confirm: {top: 2, seeds: 3}\n", ""))
    return toys


def sweep(*arguments: str) -> int:
    return main([*arguments, *QUICK])


def tried(folder: Path, name: str = "toys") -> list[Trial]:
    store = Store.open(folder / "results")
    study = store.load_study(name)
    assert study is not None
    return counted(read_trials(store.paths.study(name), study) or [])


def results(folder: Path) -> Mapping[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("results/runs/*/result.json")}


@pytest.fixture
def begun(toys: Path) -> Any:
    """Starts a command in a process of its own, in the background; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness.sweep", *arguments, *QUICK]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=toys.parent)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def workers_of(parent: int) -> list[int]:
    """The process ids of a command's child workers."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"harness.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
def test_a_search_gives_a_verdict_and_a_second_call_trains_nothing(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("toys.yaml", "--workers", "2") == 0
    out, err = capsys.readouterr()
    # Either of the two workers may be first.
    assert re.search(r"\[[12]/6\] trial 0  completed  50\.27 points  effect=0, noise=1  0:00  561b25a46a59", err)
    assert re.search(r"\[1/6\] trial [01]  completed .* best so far", err)
    assert "[6/6]" in err
    assert "confirmation, 1 of 2: the best 2 trials x 3 fresh seeds" in err
    assert "confirmation, 2 of 2: the winner against the base" in err
    assert "1  winner improves on base" in out
    assert "results/reports/toys/index.html" in out
    assert len(tried(toys.parent)) == 6
    before = results(toys.parent)
    assert sweep("toys.yaml", "--workers", "2") == 0
    again, err = capsys.readouterr()
    assert "6 of 6 done already" in err
    assert results(toys.parent) == before
    assert again == out


def test_a_target_may_be_raised(unconfirmed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("toys.yaml", "--trials", "3") == 0
    assert "not confirmed on fresh seeds" in capsys.readouterr().out
    first = results(unconfirmed.parent)
    assert sweep("toys.yaml", "--trials", "5") == 0
    assert "3 of 5 done already" in capsys.readouterr().err
    assert len(tried(unconfirmed.parent)) == 5
    assert first.items() <= results(unconfirmed.parent).items()


@pytest.mark.slow
def test_better_trials_found_later_are_confirmed_again(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("toys.yaml", "--trials", "2") == 0
    capsys.readouterr()
    assert sweep("toys.yaml", "--trials", "10", "--json") == 0
    out, err = capsys.readouterr()
    assert "toys.top is replaced; the old plan is archived" in err
    document = json.loads(out)
    assert document["counts"].keys() <= {"completed", "pruned"}
    assert sum(document["counts"].values()) == document["target"] == 10
    assert document["confirmation"]["name"] == "toys.final"
    assert [row["n"] for row in document["confirmation"]["variants"]] == [3, 3]
    assert (toys.parent / "results/plans/replaced/toys.top.1.json").exists()


@pytest.mark.slow
def test_after_ctrl_c_the_same_command_continues(toys: Path, begun: Any) -> None:
    words = ("toys.yaml", "--profile", "slow", "--workers", "2")
    process = begun(*words)
    wait_for(lambda: len(list(toys.parent.glob("results/runs/*/metrics.jsonl"))) >= 3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert begun(*words).wait(timeout=120) == 0
    assert len(tried(toys.parent, "toys@slow")) == 6


@pytest.mark.slow
def test_a_killed_parent_and_killed_workers_lose_no_trial(toys: Path, begun: Any) -> None:
    words = ("toys.yaml", "--profile", "slow", "--workers", "2")
    process = begun(*words)
    wait_for(lambda: len(list(toys.parent.glob("results/runs/*/metrics.jsonl"))) >= 1)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    wait_for(lambda: len(list(toys.parent.glob("results/runs/*/metrics.jsonl"))) >= 3)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(_alive(pid) for pid in _workers_here(toys.parent)))
    process = begun(*words)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    trials = tried(toys.parent, "toys@slow")
    assert len(trials) == 6
    assert all(trial.state in ("completed", "pruned") for trial in trials)


def _workers_here(folder: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
            if b"harness.worker" in words and path.with_name("cwd").readlink() == folder:
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_failed_trials_are_reported_and_retried_on_request(unconfirmed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("toys.yaml", "--profile", "broken", "--trials", "2")
    assert sweep(*words) == 1
    out, err = capsys.readouterr()
    assert "[1/2] trial 0  FAILED bug: ValueError: the toy broke" in err
    assert "log.txt" in err
    retry = "after fixing the cause: harness sweep toys.yaml --profile broken --device cpu --retry failed"
    assert retry in err
    assert "NOTHING FOUND: all 2 trials failed" in out
    assert "2 trials: 2 failed" in out
    assert status.main(["toys@broken"]) == 0
    shown = capsys.readouterr().out
    assert "failed   trial 0" in shown
    assert retry in shown
    assert sweep(*words, "--retry", "failed") == 1
    assert [trial.number for trial in tried(unconfirmed.parent, "toys@broken")] == [2, 3]


def test_workers_that_cannot_start_show_the_end_of_their_log(
    toys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (toys.parent / "sitecustomize.py").write_text("import sys\nsys.modules['pydantic'] = None\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toys.parent), os.environ["PYTHONPATH"]]))
    assert sweep("toys.yaml") == 2
    told = capsys.readouterr().err
    assert told.rstrip().endswith("ModuleNotFoundError: import of pydantic halted; None in sys.modules")
    assert "interrupted" not in told
    assert tried(toys.parent) == []


def test_the_dry_run_shows_the_search_and_starts_nothing(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("toys.yaml", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert shown == golden("search_dry_run.txt", shown)
    assert not (toys.parent / "results").exists()


def test_a_base_outside_the_space_is_reported(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_text(toys.read_text().replace("[-3, 3]", "[1, 3]"))
    assert sweep("toys.yaml", "--dry-run") == 0
    assert "first       the base is outside the space and runs only in the confirmation" in capsys.readouterr().out


def test_run_and_sweep_refer_to_each_other(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["toys.yaml"]) == 2
    assert capsys.readouterr().err == "toys.yaml: this experiment is a search; start it with: harness sweep toys.yaml\n"
    (toys.parent / "plain.yaml").write_text("question: Does it walk?\ntask: toy_task:TOY\nseeds: 2\n")
    assert sweep("plain.yaml") == 2
    assert capsys.readouterr().err == "plain.yaml: this experiment has no search; start it with: harness run plain.yaml\n"


def test_a_changed_space_is_refused_with_the_difference(unconfirmed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("toys.yaml", "--trials", "1") == 0
    unconfirmed.write_text(unconfirmed.read_text().replace("[-3, 3]", "[-3, 4]"))
    capsys.readouterr()
    for words in (("--dry-run",), ()):
        assert sweep("toys.yaml", *words) == 2
        err = capsys.readouterr().err
        assert 'space.effect: {"kind": "range", "path": "effect", "low": -3.0, "high": 3.0} -> ' in err
        assert "--replan (archives the old study; its runs are kept)" in err
    assert sweep("toys.yaml", "--trials", "2", "--replan") == 0
    assert len(tried(unconfirmed.parent)) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--trials", "0"), "--trials: '0'"),
        (("--device", "tpu"), "--device: 'tpu'"),
        (("--storage", "mysql://host/db"), "--storage: unsupported storage 'mysql'; choose from: journal, postgresql://"),
        (("--storage", "sqlite:////no/such/folder/x.db"), "--storage: sqlite:////no/such/folder/x.db cannot be used"),
        (("--retry", "pruned"), "--retry: 'pruned'"),
        (("--idle", "soon"), "--idle: invalid duration 'soon'"),
        (("--keep", "all"), "--keep: 'all'"),
    ],
)
def test_bad_input_gives_one_clear_message(
    toys: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert sweep(str(toys), *words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_a_missing_storage_driver_is_reported_without_the_password(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("HARNESS_STORAGE", "postgresql://me:secret@host/trials")
    assert sweep("toys.yaml") == 2
    err = capsys.readouterr().err
    assert "postgresql://…@host/trials needs a driver: pip install" in err
    assert "secret" not in err
    assert not any("secret" in path.read_text() for path in toys.parent.glob("results/**/*.json"))


@pytest.mark.slow
def test_trials_in_a_database_are_found_by_the_environment_alone(
    unconfirmed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{unconfirmed.parent}/trials.db"
    assert sweep("toys.yaml", "--trials", "2", "--storage", address) == 0
    assert "HARNESS_STORAGE" not in os.environ
    assert not (unconfirmed.parent / "results/studies/toys/journal.log").exists()
    assert sweep("toys.yaml", "--trials", "3") == 2
    capsys.readouterr()
    assert status.main([]) == 0
    assert "2/2" not in capsys.readouterr().out
    monkeypatch.setenv("HARNESS_STORAGE", address)
    assert status.main([]) == 0
    assert "2/2" in capsys.readouterr().out
    assert sweep("toys.yaml", "--trials", "3") == 0
    assert "2 of 3 done already" in capsys.readouterr().err


def test_trials_in_the_journal_are_not_repeated_in_a_database(
    unconfirmed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep(unconfirmed.name, "--trials", "1") == 0
    monkeypatch.setenv("HARNESS_STORAGE", "sqlite:///trials.db")
    capsys.readouterr()
    assert sweep("toys.yaml") == 2
    assert "toys: its trials are in results/studies/toys/journal.log; use --storage journal" in capsys.readouterr().err
    assert sweep("toys.yaml", "--trials", "2", "--storage", "journal") == 0


def test_an_unreachable_server_is_reported_without_the_password(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("HARNESS_STORAGE", "postgresql://me:secret@127.0.0.1:1/trials")
    assert sweep(toys.name) == 2
    err = capsys.readouterr().err
    assert "--storage: postgresql://…@127.0.0.1:1/trials cannot be used: " in err
    assert "secret" not in err
