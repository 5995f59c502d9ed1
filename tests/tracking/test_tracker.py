"""Workers and their mirror, from the outside: commands, kills, several workers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TESTS, PlanMaker
from harness.tracking.tracker import MirrorTracker
from mirrors import harness, measured, offline_rows, until
from wandb_server import Server

from harness.common.stopping import Stop
from harness.errors import EXIT_BAD_INPUT, EXIT_OK
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.store.records import Store
from harness.tracking import NoTracker, make_tracker
from harness.tracking.deliver import mirrored_runs, survey

EXPERIMENT = """
question: Which toy walks best?
task: toy_task:TOY
variants: {base: {epochs: 2}, better: {epochs: 2, effect: 2.0}}
baseline: base
seeds: 3
"""


def services(store: Store) -> int:
    """How many of wandb's service processes there were: each writes a log of its own."""
    return len(list(store.paths.cache.glob("wandb/**/core-debug-*.log")))


def test_the_workers_of_a_command_share_one_mirror(tmp_path: Path, store: Store) -> None:
    (tmp_path / "toys.yaml").write_text(EXPERIMENT)
    words = ("run", "toys.yaml", "--workers", "3", "--results", str(store.paths.root), "--worker-option=--poll-s=0.05")
    with Server() as server:
        done = harness(*words, environment=server.environment(), cwd=tmp_path)
        assert done.returncode == EXIT_OK, done.stderr
        assert len(server.runs) == 6
        assert all(run.complete and len(run.history) == 2 for run in server.runs.values())
    assert services(store) == 1
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize("kind", ["online", "offline"])
def test_a_killed_worker_loses_no_row_and_its_successor_no_step(
    store: Store, toy_plan: PlanMaker, start_worker: Callable[..., subprocess.Popen[str]], kind: str
) -> None:
    plan = toy_plan({"base": {"epochs": 30, "steps": 2, "sleep": 0.04}})
    path, run_id = store.save_plan(plan), plan.runs[0].id
    with Server() as server:
        os.environ |= {**server.environment(), "WANDB_MODE": kind}
        worker = start_worker(path, "--checkpoint-every", "0.5s")
        until(lambda: len(measured(store, run_id)) >= 15)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        rows = len(measured(store, run_id))
        # The worker's pipe has ended: its mirror finishes by itself.
        if kind == "online":
            until(lambda: run_id in server.runs and server.runs[run_id].complete)
            assert len(server.runs[run_id].rows()) == rows
        else:
            until(lambda: [len(each) for each in offline_rows(store, run_id)] == [rows])
        assert start_worker(path, "--checkpoint-every", "0.5s").wait(60) == EXIT_OK
        assert [row["epoch"] for row in measured(store, run_id)] == list(range(1, 31))
        shown = [server.runs[run_id].rows()] if kind == "online" else offline_rows(store, run_id)
        assert [[row["epoch"] for row in each] for each in shown] == [list(range(1, 31))]
        assert [[row["score"] for row in each] for each in shown] == [[row["score"] for row in measured(store, run_id)]]


def test_nothing_due_starts_no_mirror(store: Store, toy_plan: PlanMaker) -> None:
    path = store.save_plan(toy_plan({"base": {"epochs": 1}}))
    assert harness("worker", str(path), "--track", "none", environment={}, cwd=TESTS).returncode == EXIT_OK
    assert harness("worker", str(path), environment={"WANDB_MODE": "offline"}, cwd=TESTS).returncode == EXIT_OK
    assert not store.paths.wandb.exists()


def test_what_is_forced_and_cannot_be_ends_the_command_before_anything_is_trained(
    store: Store, toy_plan: PlanMaker, tmp_path: Path
) -> None:
    path = store.save_plan(toy_plan())
    environment = {"WANDB_MODE": "online", "WANDB_API_KEY": "", "NETRC": "", "HOME": str(tmp_path)}
    done = harness("worker", str(path), "--track", "wandb", environment=environment, cwd=tmp_path)
    assert done.returncode == EXIT_BAD_INPUT
    assert "--track wandb: not logged in to api.wandb.ai" in done.stderr
    assert not store.paths.run(store.load_plan("toys").runs[0].id).folder.exists()  # type: ignore[union-attr]


def test_that_nothing_is_mirrored_is_said_once_and_only_when_it_was_not_asked_for(store: Store) -> None:
    said: list[str] = []
    os.environ["WANDB_MODE"] = "disabled"
    assert isinstance(make_tracker("auto", store.paths, say=said.append), NoTracker)
    assert said == ["W&B: W&B's mode is disabled; runs are not mirrored"]
    assert isinstance(make_tracker("none", store.paths, say=said.append), NoTracker)
    assert len(said) == 1


def test_a_mirror_that_cannot_start_costs_a_message(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.wandb.write_text("a file where a folder should be")
    os.environ["WANDB_MODE"] = "offline"
    tracker = make_tracker("auto", store.paths)
    assert isinstance(tracker, MirrorTracker)
    for _ in range(2):
        tracker.start("0" * 12, None, 0)  # type: ignore[arg-type]
        tracker.log({"epoch": 1})
        tracker.finish(None)
    tracker.close()
    assert capsys.readouterr().err.count("the run is not mirrored") == 1


def test_runs_whose_mirror_is_gone_are_known_to_sync(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=2)
    store.save_plan(plan)
    reading, writing = os.pipe()
    os.close(reading)
    os.environ["WANDB_MODE"] = "offline"
    PlanWorker(store, plan, WorkerOptions(mirror_descriptor=writing, poll_s=0.01), Stop()).work()
    os.close(writing)
    assert mirrored_runs(store) == sorted(run.id for run in plan.runs)
    assert {parcel.state for parcel in survey(store, mirrored_runs(store))} == {"waiting"}
