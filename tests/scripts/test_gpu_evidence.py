"""scripts/gpu_evidence, rehearsed on the CPU: a failed check, options, and a program that is killed again and again."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "gpu_evidence"
MACHINE = {
    "device": "cpu",
    "model": "m",
    "torch": "2",
    "cuda": None,
    "driver": None,
    "commit": None,
    "code": "c",
    "rehearsal": True,
}
DONE = {"steps": "not possible", "tests": "not possible", "resume": "passed", "plain_loop": "measured", "together_2": "measured"}


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")


def answer(*arguments: str) -> tuple[int, str]:
    """Exit code and error of the program."""
    ended = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr


# Options


def test_options_that_cannot_work_end_with_one_error_and_leave_nothing(tmp_path: Path) -> None:
    from gpu_evidence import main

    folder = tmp_path / "folder"
    common = ["--results", str(folder), "--pack", str(tmp_path / "pack")]
    said = {
        ("--time", "10 x", "--device", "cpu", "--rehearse"): "invalid duration '10 x'",
        ("--time", "10m", "--device", "cpu"): "--device cpu: the experiments would take weeks; add --rehearse",
        ("--time", "10m", "--device", "cpu", "--rehearse", "--pack", str(folder / "pack")): "may neither be inside of --results",
        ("--time", "10m", "--device", "cpu", "--rehearse", "--pack", str(tmp_path)): "may neither be inside of --results",
        ("--time", "10m", "--device", "cpu", "--rehearse", "--pack", str(ROOT)): "is not empty; use a new folder",
        ("--time", "10m", "--only", "papr"): "invalid value for --only: 'papr'; choose from: paper,",
        ("--time", "10m", "--images", str(tmp_path / "none")): "invalid value for --images:",
    }
    for arguments, expected in said.items():
        with pytest.MonkeyPatch.context() as patch:
            lines: list[str] = []
            patch.setattr("builtins.print", lambda text, lines=lines, **_: lines.append(text))
            assert main([*common, *arguments]) == 2
        assert lines[0].startswith("gpu_evidence: ")
        assert expected in lines[0]
    assert not folder.exists()


def test_packages_that_are_missing_are_named_and_those_that_are_there_are_not(tmp_path: Path) -> None:
    from evidence.wheels import lacking

    assert lacking() == []
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["pydantic>=2.12", "no-such-package[extra]>=1"]\n')
    assert lacking(tmp_path / "pyproject.toml") == ["no-such-package[extra]>=1"]


def test_cifar10_is_shown_to_every_command_from_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    from evidence.settings import Settings

    there = tmp_path / "there"
    there.mkdir()
    (there / "cifar-10-python.tar.gz").write_bytes(b"archive")
    there.chmod(0o555)
    for images in (there, there / "cifar-10-python.tar.gz"):
        folder = tmp_path / f"folder of {images.name}"
        settings = Settings(folder, folder, folder, "cuda", False, images, ())
        settings.link_images()
        settings.link_images()
        cache = Path(settings.environment["HARNESS_CACHE"])
        assert (cache / "cifar10" / "cifar-10-python.tar.gz").read_bytes() == b"archive"
        assert (settings.overrides, settings.benchmark_images) == ((), "cifar10")
    other = Settings(folder, folder, folder, "cuda", False, tmp_path, ())
    assert (other.profile, other.overrides) == ("jpeg", (f"data.root={tmp_path}",))


def test_the_ways_to_execute_a_step_that_are_measured_on_a_gpu_are_known_to_the_benchmark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from evidence.benchmarks import WAYS, benchmarks
    from evidence.settings import Settings

    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    versions = importlib.import_module("versions").VERSIONS
    assert all("cuda" in versions[way].devices for way in WAYS)
    here = Path("/")
    commands = [each.command for each in benchmarks(Settings(here, here, here, "cuda", False, None, ()))]
    assert all(command[2:8] == ["--network", "paper", "--device", "cuda", "--images", "cifar10"] for command in commands)


# A failed check


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run a session with one check, a command of Python, and nothing to train; returns its exit code and evidence.json."""
    from evidence import benchmarks, checks, experiments
    from evidence.budget import Step
    from evidence.checks import Check, Outcome
    from evidence.records import Records
    from evidence.session import Session
    from evidence.settings import Settings, python

    from harness.common.stopping import Stop

    said: list[str] = []

    def run(code: str, seconds: float = 60.0, name: str = "broken", model: str = "m") -> tuple[int, dict[str, Any]]:
        figures: dict[str, Any] = {} if name == "steps" else {"code": 3}

        def read(ended: Any, _: Path) -> Outcome:
            return Outcome("failed", figures, "it is broken") if ended.code else Outcome("passed", {})

        check = Check(Step(name, 0.0), python("-c", code), tmp_path / "none", None, read)
        monkeypatch.setattr(checks, "checks", lambda _: [check])
        monkeypatch.setattr(benchmarks, "benchmarks", lambda _: [])
        monkeypatch.setattr(experiments, "entries", lambda _: [])
        settings = Settings(tmp_path / "folder", tmp_path / "pack", tmp_path / "pack", "cpu", True, None, ())
        about = {**MACHINE, "model": model}
        records = Records(settings.evidence, about)
        exit_code = Session(settings, seconds, Stop(), records, said.append).run()
        return exit_code, json.loads((tmp_path / "pack" / "evidence.json").read_text())

    run.said = said  # type: ignore[attr-defined]
    return run


def test_a_check_is_repeated_on_another_model_of_gpu_and_that_is_said(session: Any, tmp_path: Path) -> None:
    for model in ("H200", "H200", "A100"):
        assert session("print('why')", model=model)[0] == 0
    assert (tmp_path / "pack/evidence/checks/broken.log").read_text().count("\nwhy\n") == 2
    assert "broken is repeated, as it was done with another model (H200, now A100)" in session.said


def test_a_failed_check_is_packed_ends_with_code_1_and_is_not_repeated(session: Any, tmp_path: Path) -> None:
    for _ in range(2):
        exit_code, document = session("print('why'); raise SystemExit(3)")
        assert exit_code == 1
        assert document["failures"] == ["broken: it is broken"]
        assert document["rehearsal"]
    assert (tmp_path / "pack/evidence/checks/broken.log").read_text().count("\nwhy\n") == 1
    record = json.loads((tmp_path / "pack/evidence/checks/broken.json").read_text())
    assert (record["state"], record["figures"]) == ("failed", {"code": 3})
    assert "FAILED        broken: it is broken" in (tmp_path / "pack/summary.txt").read_text()
    with tarfile.open(tmp_path / "pack/evidence-1.tar.gz") as archive:
        assert "evidence/checks/broken.json" in archive.getnames()


def test_nothing_is_trained_where_training_is_impossible(session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evidence.session import Session

    def trained(_: Session) -> None:
        raise AssertionError

    monkeypatch.setattr(Session, "_train", trained)
    for _ in range(2):
        assert session("raise SystemExit(3)", name="steps")[0] == 1
    assert "training is impossible here" in (tmp_path / "pack/summary.txt").read_text()


def test_a_step_that_runs_out_of_time_waits_for_a_longer_start(session: Any, tmp_path: Path) -> None:
    exit_code, document = session("import time; print('begun', flush=True); time.sleep(60)", seconds=2.0)
    assert exit_code == 75
    assert document["undone_steps"] == [{"name": "broken", "reason": "did not finish in 2 s"}]
    log = tmp_path / "folder/evidence/checks/broken.log"
    begun = log.read_text()
    assert session("", seconds=1.0)[0] == 75
    assert log.read_text() == begun
    assert session("", seconds=60.0)[0] == 0


def test_a_pack_that_cannot_be_written_is_a_failure_that_ends_nothing(session: Any, tmp_path: Path) -> None:
    (tmp_path / "pack" / "evidence").mkdir(parents=True)
    (tmp_path / "pack" / "evidence" / "events.jsonl").mkdir()  # where a file is to be
    assert session("print('why')")[0] == 1
    assert any(line.startswith("FAILED        the pack: ") for line in session.said)


# The order of experiments


def test_an_experiment_that_reaches_a_look_makes_way_for_what_is_worth_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evidence import experiments
    from evidence import session as sessions
    from evidence.experiments import Entry, Standing
    from evidence.records import Records
    from evidence.settings import Settings

    from harness.common.stopping import Stop

    first, second = Entry("leakyrelu_vs_relu", (), 20), Entry("lookahead", (), 20)
    remaining = {first: (3, False), second: (3, False)}

    def standing(entry: Entry, _: Settings) -> Standing:
        runs, later_look = remaining[entry]
        return Standing(entry, entry.experiment, runs, 40, 0, 1.0, later_look)

    monkeypatch.setattr(experiments, "standing", standing)
    monkeypatch.setattr(experiments, "entries", lambda _: [first, second])
    monkeypatch.setattr(sessions, "LOOK_EVERY_S", 0.0)
    settings = Settings(tmp_path / "folder", tmp_path / "pack", tmp_path / "pack", "cuda", False, None, ())
    session = sessions.Session(settings, 3600.0, Stop(), Records(settings.evidence, MACHINE), lambda _: None)
    session.runs_seen, before = 3, standing(first, settings)
    moves = []
    for runs, later_look in ((3, False), (1, False), (4, True), (3, True)):
        remaining[first] = runs, later_look
        moves.append(session._moves_on(before))
    assert moves == [False, False, True, False]
    remaining[second] = 0, True
    session.runs_seen = 0
    assert not session._moves_on(before)  # there is nothing else


# Processes


OUTLIVING = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("begun", flush=True)
time.sleep(60)
"""


def test_what_a_command_has_started_ends_with_it_when_its_time_is_over(tmp_path: Path) -> None:
    from evidence.process import Runner

    runner = Runner(tmp_path, os.environ)
    log = tmp_path / "log"
    ended = runner.run([sys.executable, "-c", OUTLIVING], log, 60.0, lambda: log.exists() and "\nbegun" in log.read_text())
    assert (ended.stopped, ended.code) == (True, -signal.SIGTERM)
    assert runner.processes() == []


def test_what_outlived_a_program_that_was_killed_is_ended_at_the_next_start(tmp_path: Path) -> None:
    from evidence.process import MARK, Runner

    runner, other = Runner(tmp_path, {}), Runner(tmp_path / "other", {})
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(tmp_path)})
    while runner.processes() != [process.pid]:
        time.sleep(0.01)
    other.end_all()
    assert process.poll() is None
    runner.end_all()
    assert process.wait() == -signal.SIGTERM


# A whole rehearsal


@pytest.mark.slow
@pytest.mark.torch
def test_a_rehearsal_that_is_killed_again_and_again_ends_complete_and_does_nothing_twice(tmp_path: Path) -> None:
    folder, pack = tmp_path / "folder", tmp_path / "pack"
    command = [SCRIPT, "--time", "30m", "--results", folder, "--pack", pack]
    command += ["--device", "cpu", "--rehearse", "--only", "paper"]
    events = folder / "evidence" / "events.jsonl"

    def starts(name: str) -> int:
        return sum(event["event"] == "started" and event["name"].startswith(name) for event in read(events))

    for name, number in (
        ("resume", signal.SIGKILL),
        ("plain_loop", signal.SIGKILL),
        ("paper", signal.SIGKILL),
        ("paper", signal.SIGTERM),
    ):
        before = starts(name)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while starts(name) == before and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1.0)
        assert process.poll() is None
        os.kill(process.pid, number)
        process.wait()
        if number == signal.SIGTERM:
            assert process.returncode == 75
            assert "not complete" in (pack / "summary.txt").read_text()
    assert subprocess.run(command, check=False).returncode == 0

    document = json.loads((pack / "evidence.json").read_text())
    assert {step["name"]: step["state"] for step in document["steps"]} == DONE
    assert (document["complete"], document["rehearsal"], document["machine"]["device"]) == (True, True, "cpu")
    finished = [event["name"] for event in read(events) if event["event"] == "finished"]
    assert sorted(finished) == sorted(DONE)
    runs = sorted((folder / "results" / "runs").iterdir())
    assert len(runs) == 3
    for run in runs:
        kept = pack / "results" / "runs" / run.name
        assert (kept / "result.json").read_bytes() == (run / "result.json").read_bytes()
        assert json.loads((run / "result.json").read_text())["state"] == "completed"
    with tarfile.open(pack / "evidence-1.tar.gz") as archive:
        assert len(archive.getnames()) == len(set(archive.getnames())) == sum(path.is_file() for path in pack.rglob("*")) - 1

    results = {run: (run / "result.json").stat().st_mtime_ns for run in runs}
    assert subprocess.run(command, check=False).returncode == 0
    assert {run: (run / "result.json").stat().st_mtime_ns for run in runs} == results
    after = [event["event"] for event in read(events)][-2:]
    assert after == ["session started", "session ended"]


def read(events: Path) -> list[dict[str, Any]]:
    """The complete lines."""
    lines = events.read_text().splitlines() if events.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]
