"""The results folder is moved or unmounted in the middle of training, and comes back or does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bits import bits
from conftest import TESTS, PlanMaker

from harness import worker
from harness.store.records import Store

CONFIG = {"epochs": 4, "steps": 4, "sleep": 0.12}  # two seconds a run
EXPERIMENT = f"question: How far?\ntask: toy_task:TOY\nconfig: {CONFIG}\nseeds: 2\n"
QUICK = '{"poll_s": 0.05, "beat_s": 0.1, "stale_s": 30, "patience_s": %g, "track": "none"}'
Process = subprocess.Popen[str]


class Moved:
    """A results folder that is renamed."""

    def __init__(self, folder: Path) -> None:
        self.root, self.elsewhere = folder / "results", folder / "elsewhere"
        self.root.mkdir()

    def go(self) -> None:
        """Away."""
        self.root.rename(self.elsewhere)

    def come(self) -> None:
        """Back."""
        self.elsewhere.rename(self.root)

    def is_bare(self) -> bool:
        """Whether nothing is where it was."""
        return not self.root.exists()


class Unmounted(Moved):
    """A results folder on a file system that is unmounted: the mount point, or a folder below it."""

    def __init__(self, folder: Path, below: str) -> None:
        self.real, self.point = folder / "real", folder / "point"
        self.root, self.elsewhere = self.point / below, self.real / below
        self.point.mkdir()
        self.elsewhere.mkdir(parents=True)
        self.come()

    def go(self) -> None:
        """Away."""
        subprocess.run(["umount", "--lazy", self.point], check=True)

    def come(self) -> None:
        """Back."""
        if subprocess.run(["mount", "--bind", self.real, self.point], capture_output=True, check=False).returncode:
            pytest.skip("no folder can be mounted here")

    def is_bare(self) -> bool:
        """Whether nothing is where it was."""
        return not any(self.point.iterdir())


@pytest.fixture(params=["moved", "unmounted", "unmounted above it"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Moved]:
    """A results folder that can go away."""
    if request.param == "moved":
        yield Moved(tmp_path)
        return
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    found = Unmounted(tmp_path, "" if request.param == "unmounted" else "results")
    yield found
    subprocess.run(["umount", "--lazy", found.point], capture_output=True, check=False)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a command of the harness in `tmp_path`."""
    started: list[Process] = []

    def run(*words: object) -> Process:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        command = [sys.executable, "-m", "harness", *map(str, words)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def reference(tmp_path: Path, plan: Any) -> dict[str, Any]:
    """The bits of an undisturbed run."""
    other = Store.open(tmp_path / "reference")
    assert worker.main([str(other.save_plan(plan)), "--track", "none"]) == 0
    return bits(other, [run.id for run in plan.runs])


def until_trained(root: Path, process: Process, rows: int = 2) -> None:
    """Wait until a run has so many rows."""
    end = time.monotonic() + 60
    while not any(path.read_bytes().count(b"\n") >= rows for path in root.glob("runs/*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_a_worker_continues_when_the_folder_comes_back(
    place: Moved, tmp_path: Path, toy_plan: PlanMaker, start: Callable[..., Process]
) -> None:
    plan = toy_plan({"base": CONFIG}, seeds=2)
    expected = reference(tmp_path, plan)
    store = Store.open(place.root)
    process = start("worker", store.save_plan(plan), "--checkpoint-every", "0s", "--options-json", QUICK % 60)
    until_trained(place.root, process)
    place.go()
    time.sleep(2)
    assert place.is_bare()
    assert process.poll() is None
    place.come()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert bits(store, [run.id for run in plan.runs]) == expected
    assert "responds again" in said


@pytest.mark.slow
def test_a_worker_stops_and_says_so_when_the_folder_stays_away(
    place: Moved, tmp_path: Path, toy_plan: PlanMaker, start: Callable[..., Process]
) -> None:
    plan = toy_plan({"base": CONFIG}, seeds=2)
    expected = reference(tmp_path, plan)
    path = Store.open(place.root).save_plan(plan)
    process = start("worker", path, "--checkpoint-every", "0s", "--options-json", QUICK % 1)
    until_trained(place.root, process)
    place.go()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2, said
    assert said.splitlines()[-1].startswith(f"{place.root}: was moved or unmounted")
    assert "Traceback" not in said
    assert place.is_bare()
    moved = Store.open(place.elsewhere, create=False)
    assert worker.main([str(moved.paths.plan(plan.name)), "--track", "none"]) == 0
    assert bits(moved, [run.id for run in plan.runs]) == expected
    assert "resumed after" in "".join(path.read_text() for path in place.elsewhere.glob("runs/*/log.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False], ids=["for two seconds", "for good"])
def test_a_command_with_its_workers(place: Moved, tmp_path: Path, start: Callable[..., Process], comes_back: bool) -> None:
    (tmp_path / "toys.yaml").write_text(EXPERIMENT)
    words = ("run", "toys.yaml", "--results", place.root, "--track", "none", "--worker-option=--beat-s=0.1")
    process = start(*words, f"--worker-option=--patience-s={60 if comes_back else 1}")
    until_trained(place.root, process)
    place.go()
    if comes_back:
        time.sleep(2)
        assert place.is_bare()
        place.come()
    said = process.communicate(timeout=100)[1]
    assert process.returncode == (0 if comes_back else 2), said
    assert "Traceback" not in said
    if not comes_back:
        assert f"{place.root}: was moved or unmounted" in said
        assert place.is_bare()
        place.come()
        assert start(*words).wait(60) == 0
    assert len(list(place.root.glob("runs/*/result*.json"))) == 2
