"""`harness compare` end to end: a small repository with three branches and a real training, killed, resumed, on two workers."""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TESTS
from repositories import git, repository

from harness.store.records import Store

pytestmark = pytest.mark.slow

ROOT = TESTS.parent
# Fits a line to noisy points by gradient descent, a second or so. Each start adds a line to $TRAININGS.
TRAIN = """
import argparse, os, random, time
import model
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
seed = parser.parse_args().seed
with open(os.environ["TRAININGS"], "a") as file:
    file.write(f"{model.NAME} {seed}\\n")
draw = random.Random(seed)
points = [(x, 2.0 * x + 1.0 + draw.gauss(0, 0.1)) for x in (draw.uniform(-1, 1) for _ in range(200))]
a = b = 0.0
for epoch in range(1, 11):
    for x, y in points:
        gap = a * x + b - y
        a, b = a - model.RATE * gap * x, b - model.RATE * gap
    loss = sum((a * x + b - y) ** 2 for x, y in points) / len(points)
    print(f"epoch {epoch}: val loss {loss:.6f}", flush=True)
    time.sleep(0.05)
"""
BRANCHES = {
    "tuned": {"model.py": 'NAME, RATE = "tuned", 0.005\n'},
    "broken": {"model.py": 'NAME, RATE = "broken", 0.00005\n'},
    "docs": {"README.md": "How to train it.\n"},
}
COMPARE = [
    *("--command", "{python} train.py --seed={seed}", "--metric", "val_loss=epoch {step}: val loss {value}"),
    *("--margin", "0.001", "--track", "none", "--worker-option=--poll-s=0.1"),
]


class Repository:
    """A repository, and the trainings that were started in its versions."""

    def __init__(self, folder: Path) -> None:
        files = {"train.py": TRAIN, "model.py": 'NAME, RATE = "main", 0.0005\n', ".gitignore": "results\n"}
        self.path = repository(folder, files, **BRANCHES)
        self.log = folder.parent / "trainings"
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]), "TRAININGS": str(self.log)}
        self.environment.pop("HARNESS_CHECKOUTS", None)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", "compare", *words, *COMPARE, "--json"],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def compare(self, *words: str, code: int = 0) -> Any:
        """The document of a comparison."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return json.loads(out)

    @property
    def trainings(self) -> Counter[str]:
        """`main 3` -> how often it was started."""
        return Counter(self.log.read_text().splitlines()) if self.log.exists() else Counter()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_three_branches_survive_a_kill_and_share_what_they_have_trained(repo: Repository) -> None:
    began = time.monotonic()
    results = repo.path / "results"
    killed = repo.start("main", "tuned", "broken", "--seeds", "3,5", "--workers", "2")
    wait_for(lambda: len(list(results.glob("runs/*/result.json"))) >= 2)
    killed.kill()
    killed.communicate()
    (name,) = [path.stem for path in results.glob("plans/*.json")]
    finished = {path: path.read_bytes() for path in results.glob("runs/*/result.json")}

    first = repo.compare("main", "tuned", "broken", "--seeds", "3,5", "--workers", "2")
    assert first["name"] == name
    assert len(first["used"]["found"]) >= len(finished) >= 2
    assert {path: path.read_bytes() for path in finished} == finished
    assert [verdict["verdict"] for verdict in first["verdicts"]] == ["supported", "refuted"]
    assert all(verdict["registered"] for verdict in first["verdicts"])
    after_a_kill = time.monotonic() - began

    # main has been trained; the seeds of another comparison are the same.
    before = repo.trainings
    second = repo.compare("main", "tuned", "--seeds", "3", "--claim", "no_loss: tuned", "--first-seed", "0")
    assert (second["used"]["trained"], len(second["used"]["found"])) == ([], 6)
    assert repo.trainings == before
    assert not second["verdicts"][0]["registered"], "its results were known"

    # A branch that was kept becomes the baseline of the next one.
    git(repo.path, "checkout", "--quiet", "-b", "next", "tuned")
    (repo.path / "model.py").write_text('NAME, RATE = "next", 0.02\n')
    third = repo.compare("tuned", ".", "--seeds", "3", "--claim", "no_loss: .", "--require", "supported")
    assert third["required"]["met"]
    assert (len(third["used"]["trained"]), len(third["used"]["found"])) == (3, 3)
    assert repo.trainings - before == Counter({"next 0": 1, "next 1": 1, "next 2": 1})
    assert third["code"]["working tree"]["parent"] == git(repo.path, "rev-parse", "HEAD")

    same = repo.compare("main", "docs", "--seeds", "3")
    assert same["same_code"] == {"docs": "main"}
    assert set(repo.trainings) <= {f"{branch} {seed}" for branch in ("main", "tuned", "broken", "next") for seed in range(5)}
    assert git(repo.path, "branch", "--show-current") == "next"
    assert git(repo.path, "status", "--porcelain") == "M model.py"
    print(
        f"killed and resumed {after_a_kill:.1f} s, all {time.monotonic() - began:.1f} s, trainings {sum(repo.trainings.values())}"
    )


def test_it_goes_on_after_its_workers_were_killed_too(repo: Repository) -> None:
    results = repo.path / "results"
    process = repo.start("main", "tuned", "--seeds", "3", "--workers", "2")

    def workers() -> list[int]:
        store = Store.open(results, create=False, must_exist=False)
        plans = store.load_plans()[0] if results.exists() else ()
        records = [store.record(run.id) for plan in plans for run in plan.runs]
        return [record.pid for record in records if record.state == "running" and record.pid is not None]

    wait_for(lambda: len(workers()) == 2)
    for pid in (process.pid, *workers()):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    document = repo.compare("main", "tuned", "--seeds", "3", "--require", "supported")
    assert document["required"]["met"]
    assert [run["state"] for run in document["runs"]] == ["completed"] * 6


def test_two_commands_at_once_share_the_runs(repo: Repository) -> None:
    processes = [repo.start("main", "tuned", "--seeds", "3", "--idle", "60s") for _ in range(2)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    documents = [json.loads(out) for out, _ in said]
    judged = [[(each["verdict"], each["mean"], each["registered"]) for each in document["verdicts"]] for document in documents]
    assert judged[0] == judged[1]
    assert judged[0][0][0] == "supported"
    assert repo.trainings == Counter({f"{branch} {seed}": 1 for branch in ("main", "tuned") for seed in range(3)})


def workflow_command(path: Path) -> str:
    """The one command line of the harness in a workflow."""
    steps = [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]
    (line,) = [step["run"] for step in steps if "harness compare" in step.get("run", "")]
    return str(line)


def test_the_gate_for_model_quality_passes_and_stops_pull_requests(repo: Repository, tmp_path: Path) -> None:
    line = workflow_command(ROOT / "examples" / "ci" / "model-quality.yml")
    assert "\n" not in line.strip()
    script = repo.path / "train.py"
    script.write_text(TRAIN + 'print(f"test accuracy {100 - 100 * loss:.4f} %")\n')
    git(repo.path, "commit", "--quiet", "--all", "--message", "prints the accuracy")
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "harness"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m harness "$@"\n')
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    python = tmp_path / "bin" / "python"
    python.symlink_to(sys.executable)

    def gate(name: str, rate: float) -> tuple[int, Any]:
        git(repo.path, "checkout", "--quiet", "-b", name, "main")
        (repo.path / "model.py").write_text(f'NAME, RATE = "{name}", {rate}\n')
        git(repo.path, "commit", "--quiet", "--all", "--message", name)
        environment = {**repo.environment, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "BASE": "main"}
        environment["WANDB_MODE"] = "disabled"
        done = subprocess.run(
            ["bash", "-e", "-c", line], cwd=repo.path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 3), done.stderr
        return done.returncode, json.loads((repo.path / "comparison.json").read_text())

    code, document = gate("better", 0.005)
    assert (code, document["required"]["met"], document["verdicts"][0]["verdict"]) == (0, True, "supported")
    assert Path(repo.path, document["report"]).with_name("report.md").exists()
    code, document = gate("worse", 0.0001)
    assert (code, document["required"]["met"]) == (3, False)
    assert document["verdicts"][0]["verdict"] == "refuted"
    assert {run["variant"] for run in document["runs"] if run["id"] in document["used"]["found"]} == {"main"}
