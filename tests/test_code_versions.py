"""Versions of code from the experiment file to results: trained once, resumed, checked, read again, and removed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from repositories import LOSS, MAIN, commit, experiment, git, planned, repository

from harness import clean, reread, run, verify
from harness.store.records import Store

pytestmark = pytest.mark.slow

SLOW = {
    **MAIN,
    "train.py": "import pathlib, time\n"
    + MAIN["train.py"]
    .replace("    print", "    time.sleep(WAIT)\n    print")
    .replace("from rate import RATE", "from rate import RATE, WAIT"),
    "rate.py": "RATE = 0.1\nWAIT = 0.3\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"}, best={"rate.py": "RATE = 0.5\n"})


def train(path: Path, *options: str) -> int:
    return run.main([str(path), "--results", str(path.parent / "results"), "--track", "none", *options])


def results_of(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (folder / "results" / "runs").glob("*/result.json")}


def test_each_version_is_trained_with_its_own_code(repo: Path, tmp_path: Path) -> None:
    (repo / "rate.py").write_text("RATE = 0.9\n")  # of no version
    assert train(experiment(tmp_path, repo, "main", "fast", seeds=2)) == 0
    store = Store.open(tmp_path / "results")
    plan = store.load_plan("versions")
    assert plan is not None
    losses = {run.variant: store.record(run.id).metrics["loss"] for run in plan.runs if run.seed == 1}
    assert losses["main"] == pytest.approx(2.7, abs=0.05)
    assert losses["fast"] == pytest.approx(2.1, abs=0.05)
    for one in plan.runs:
        origin = json.loads(store.paths.run(one.id).provenance.read_text())
        assert (origin["program"]["commit"], origin["program"]["dirty"]) == (plan.code[one.variant].commit, False)


def test_a_run_that_a_hook_of_git_starts_records_its_own_commit(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "import os\nprint('GIT_DIR' in os.environ)\n"
    git(repo, "checkout", "--quiet", "fast")
    fast = commit(repo, {"train.py": MAIN["train.py"] + says})
    git(repo, "checkout", "--quiet", "main")
    monkeypatch.setenv("GIT_DIR", str(repo / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repo / ".git" / "index"))
    assert train(experiment(tmp_path, repo, "fast")) == 0
    (origin,) = (tmp_path / "results" / "runs").glob("*/provenance.json")
    assert json.loads(origin.read_text())["program"]["commit"] == fast
    assert "\nFalse\n" in origin.with_name("log.txt").read_text()


def test_a_version_of_two_plans_is_trained_once(repo: Path, tmp_path: Path) -> None:
    assert train(experiment(tmp_path, repo, "main", "fast", seeds=2)) == 0
    before = results_of(tmp_path)
    experiment(tmp_path, repo, "fast", "best", seeds=2).rename(tmp_path / "next.yaml")
    assert train(tmp_path / "next.yaml") == 0
    after = results_of(tmp_path)
    assert (len(before), len(after)) == (4, 6)
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.slow
def test_a_killed_command_continues_with_the_same_commits_on_two_workers(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", SLOW, fast={"rate.py": "RATE = 0.3\nWAIT = 0.3\n"})
    path = experiment(tmp_path, repo, seeds=2, variants={ref: {"code": ref} for ref in ("main", "fast")} | {"now": {"code": "."}})
    (repo / "rate.py").write_text("RATE = 0.2\nWAIT = 0.3\n")
    words = [sys.executable, "-m", "harness.run", str(path), "--results", str(tmp_path / "results"), "--track", "none"]
    process = subprocess.Popen(
        [*words, "--workers", "2"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while len(results_of(tmp_path)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = results_of(tmp_path)
    assert subprocess.run([*words, "--workers", "2"], capture_output=True, check=False).returncode == 0
    after = results_of(tmp_path)
    assert len(after) == 6
    assert all(after[name] == content for name, content in done.items())


def test_steps_are_trained_with_the_code_of_their_variant(repo: Path, tmp_path: Path) -> None:
    steps = {
        "first": {"command": "{python} train.py --seed={seed} --to={run_dir}", "metrics": {"start": LOSS}},
        "second": {"command": "{python} train.py --seed={seed} --from={steps.first}", "metrics": {"loss": LOSS}},
    }
    writes = (
        "import sys, pathlib\nfor word in sys.argv:\n    if word[:5] == '--to=':\n        pathlib.Path(word[5:], 'x').touch()\n"
    )
    for ref in ("fast", "main"):
        git(repo, "checkout", "--quiet", ref)
        commit(repo, {"train.py": MAIN["train.py"] + writes})
    path = experiment(tmp_path, repo, "main", "fast")
    file = yaml.safe_load(path.read_text())
    file["task"] = {"repository": str(repo), "steps": steps}
    path.write_text(yaml.safe_dump(file, sort_keys=False))
    assert train(path) == 0
    store = Store.open(tmp_path / "results")
    plan = store.load_plan("versions")
    assert plan is not None
    metrics = {run.variant: store.record(run.id).metrics for run in plan.runs}
    assert [round(metrics[ref][name], 1) for ref in ("main", "fast") for name in ("start", "loss")] == [2.7, 2.7, 2.1, 2.1]


def test_a_moved_branch_stops_the_same_command(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = experiment(tmp_path, repo, "main", "fast")
    assert train(path) == 0
    git(repo, "checkout", "--quiet", "fast")
    commit(repo, {"rate.py": "RATE = 0.4\n"})
    assert train(path) == 2
    assert "variant 'fast': code: fast was" in capsys.readouterr().err
    assert len(results_of(tmp_path)) == 2
    assert train(path, "--replan") == 0
    assert len(results_of(tmp_path)) == 3


def test_a_run_is_trained_again_from_its_commit_though_branch_and_checkout_are_gone(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, results = experiment(tmp_path, repo, "main", "fast"), str(tmp_path / "results")
    assert train(path) == 0
    fast = planned(path).runs[1].id
    git(repo, "branch", "--delete", "--force", "fast")
    assert clean.main(["--results", results]) == 0
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    capsys.readouterr()
    assert verify.main([fast, "--retrain", "--results", results]) == 0
    assert "same bits: 3 epochs" in capsys.readouterr().out


def test_logs_of_versions_are_read_again(repo: Path, tmp_path: Path) -> None:
    assert train(experiment(tmp_path, repo, "main", "fast")) == 0
    better = {**LOSS, "pattern": r"step (?P<step>\d+): loss (?P<value>[\d.]+)"}
    path = experiment(tmp_path, repo, "main", "fast", metrics={"loss": better})
    assert reread.main([str(path), "--results", str(tmp_path / "results")]) == 0
    assert len(results_of(tmp_path)) == 4


def test_clean_removes_versions_of_finished_plans_only(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = str(tmp_path / "results")
    assert train(experiment(tmp_path, repo, "main", "fast")) == 0
    open_plan = planned(experiment(tmp_path, repo, "fast", "best").rename(tmp_path / "next.yaml"))
    Store.open(tmp_path / "results").save_plan(open_plan)
    checkouts = tmp_path / "results" / "code" / "checkouts"

    def left() -> list[str]:
        return sorted(path.name[:12] for path in checkouts.iterdir() if path.is_dir())

    commits = {ref: git(repo, "rev-parse", ref) for ref in ("main", "fast", "best")}
    capsys.readouterr()
    assert clean.main(["--dry-run", "--json", "--results", results]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["commit"] for one in told["removed"]] == [commits["main"]]
    assert len(left()) == 3
    assert clean.main(["--results", results]) == 0
    assert re.search(r"removed 1 checkout, \d+\.\d MB", capsys.readouterr().out)
    assert left() == sorted(commits[ref][:12] for ref in ("fast", "best"))
    assert commits["main"] in git(repo, "for-each-ref", "refs/harness")  # a plan names it
    assert clean.main(["--all", "--results", results]) == 0
    assert left() == []
    assert commits["main"] in git(repo, "for-each-ref", "refs/harness")
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert clean.main(["--results", results]) == 0
    assert "no checkout to remove" in capsys.readouterr().out


def test_clean_refuses_while_a_version_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo = repository(tmp_path / "repo", SLOW)
    path = experiment(tmp_path, repo, "main")
    words = [sys.executable, "-m", "harness.run", str(path), "--results", str(tmp_path / "results"), "--track", "none"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not list((tmp_path / "results").glob("runs/*/lease.*")):
            assert process.poll() is None
            time.sleep(0.05)
        assert clean.main(["--all", "--results", str(tmp_path / "results")]) == 2
        assert "is training in a checkout that would be removed; stop it first" in capsys.readouterr().err
    finally:
        assert process.wait() == 0
