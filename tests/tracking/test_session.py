"""Workers and their mirror, from the outside: commands, kills, several workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TESTS, PlanMaker
from mirrors import harness, measured, mirror, offline_rows, show, train, until
from wandb_server import Server

from harness.errors import EXIT_BAD_INPUT, EXIT_OK
from harness.store.records import Store
from harness.tracking.deliver import list_deliveries, mirrored_runs
from harness.tracking.session import MirrorProcess, end_session

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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["online", "offline"])
def test_a_killed_worker_and_its_successor_lose_no_row(
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


def test_without_remaining_runs_no_mirror_is_started(store: Store, toy_plan: PlanMaker) -> None:
    path = store.save_plan(toy_plan({"base": {"epochs": 1}}))
    assert harness("worker", str(path), "--track", "none", environment={}, cwd=TESTS).returncode == EXIT_OK
    assert harness("worker", str(path), environment={"WANDB_MODE": "offline"}, cwd=TESTS).returncode == EXIT_OK
    assert not store.paths.wandb.exists()


def test_forcing_wandb_where_it_is_impossible_stops_the_command_before_training(
    store: Store, toy_plan: PlanMaker, tmp_path: Path
) -> None:
    path = store.save_plan(toy_plan())
    environment = {"WANDB_MODE": "online", "WANDB_API_KEY": "", "NETRC": "", "HOME": str(tmp_path)}
    done = harness("worker", str(path), "--track", "wandb", environment=environment, cwd=tmp_path)
    assert done.returncode == EXIT_BAD_INPUT
    assert "--track wandb: not logged in to api.wandb.ai" in done.stderr
    assert not store.paths.run(store.load_plan("toys").runs[0].id).folder.exists()  # type: ignore[union-attr]


def test_missing_mirroring_is_printed_once_unless_it_was_disabled(store: Store) -> None:
    said: list[str] = []
    os.environ["WANDB_MODE"] = "disabled"
    for mode in ("auto", "none"):
        with MirrorProcess(store.paths, mode, store.paths.plan("toys"), said.append) as mirror:
            assert mirror.process is None
    assert said == ["W&B: W&B's mode is disabled; runs are not mirrored"]


def test_a_mirror_that_cannot_start_costs_a_message(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.wandb.write_text("a file where a folder should be")
    os.environ["WANDB_MODE"] = "offline"
    mirror = MirrorProcess(store.paths, "auto", store.paths.plan("toys"))
    for _ in range(2):
        mirror.start()
    mirror.close()
    assert capsys.readouterr().err.count("runs are not mirrored, `harness sync NAME` delivers them later") == 1


def test_runs_whose_mirror_is_gone_are_known_to_sync(store: Store, toy_plan: PlanMaker) -> None:
    plan, others = toy_plan(seeds=2), toy_plan({"other": {"effect": 1.0}}, name="others")
    train(store, others)
    with mirror(store, plan, "offline") as started:
        assert started.process is not None
        end_session(started.process)  # before it has seen any run
        train(store, plan)
    assert mirrored_runs(store) == sorted(run.id for run in plan.runs)
    assert {parcel.state for parcel in list_deliveries(store, mirrored_runs(store))} == {"waiting"}


def test_a_mirror_that_has_finished_leaves_no_session(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    show(store, plan, "offline")
    assert not list(store.paths.tracking_sessions.iterdir())
    assert mirrored_runs(store) == [plan.runs[0].id]


def run_command(store: Store, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """`harness run` of the experiment in `folder`, in the background."""
    command = [sys.executable, "-m", "harness.run", "toys.yaml", "--results", str(store.paths.root), *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    return subprocess.Popen(command, cwd=folder, env=environment)


@pytest.mark.slow
def test_two_commands_at_once_show_each_run_once(tmp_path: Path, store: Store) -> None:
    (tmp_path / "toys.yaml").write_text(EXPERIMENT)
    with Server() as server:
        os.environ |= server.environment()
        commands = [run_command(store, tmp_path, "--worker-option=--poll-s=0.05") for _ in range(2)]
        assert [command.wait(120) for command in commands] == [EXIT_OK, EXIT_OK]
        assert len(server.runs) == 6
        assert {tuple(row["epoch"] for row in run.rows()) for run in server.runs.values()} == {(1, 2)}
        assert all(run.complete and run.summary["state"] == "completed" for run in server.runs.values())


@pytest.mark.slow
def test_a_killed_command_loses_no_row_and_resumes_the_same_runs(tmp_path: Path, store: Store) -> None:
    experiment = EXPERIMENT.replace("epochs: 2", "epochs: 20, steps: 2, sleep: 0.04").replace("seeds: 3", "seeds: 1")
    (tmp_path / "toys.yaml").write_text(experiment)
    os.environ["WANDB_MODE"] = "offline"
    with run_command(store, tmp_path) as command:
        until(lambda: any(len(rows) > 3 for rows in shown(store).values()))
        command.kill()
    until(lambda: not list(store.paths.tracking_sessions.iterdir()))  # worker and mirror have ended by themselves
    assert all(rows == measured(store, run_id) for run_id, rows in shown(store).items())
    with run_command(store, tmp_path) as command:
        assert command.wait(60) == EXIT_OK
    assert all(rows == measured(store, run_id) for run_id, rows in shown(store).items())
    assert [len(rows) for rows in shown(store).values()] == [20, 20]


def shown(store: Store) -> dict[str, list[dict[str, object]]]:
    """The rows in the only offline file of each run."""
    files = store.paths.wandb.glob("offline-run-*/run-*.wandb")
    ids = {file.stem.removeprefix("run-") for file in files}
    return {run_id: offline_rows(store, run_id)[-1] for run_id in ids}
