"""Toy runs on disk, and mirror processes that show them: what the tests of tracking share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import TESTS
from harness.tracking.feed import Feed, MirrorProcess, end_session
from runfile import rows as rows_in

from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.experiment.plan import Plan
from harness.store.records import Store, read_rows
from harness.tracking.login import Choice


def train(store: Store, plan: Plan, **options: Any) -> None:
    """Train the plan's runs in this process, mirrored nowhere."""
    store.save_plan(plan)
    PlanWorker(store, plan, WorkerOptions(track="none", poll_s=0.01, **options), Stop()).work()


@contextmanager
def mirror(
    store: Store, kind: str = "online", environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Feed, MirrorProcess]]:
    """A mirror process and the way to talk to it; closed, or else ended, with the test."""
    os.environ |= {"WANDB_MODE": "online", **(environment or {}), "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    started = MirrorProcess.start(store.paths, Choice(kind, "by the test"))  # type: ignore[arg-type]
    closed = False
    try:
        yield Feed(started.descriptor), started
        started.close()
        closed = True
    finally:
        if not closed:
            end_session(started.process)


def show(store: Store, run_ids: Iterable[str], kind: str = "online", environment: Mapping[str, str] | None = None) -> None:
    """Have ended runs mirrored, as if they had been trained meanwhile."""
    with mirror(store, kind, environment) as (feed, _):
        for run_id in run_ids:
            begin(feed, run_id)
            feed.send({"end": run_id})


def begin(feed: Feed, run_id: str) -> None:
    feed.send({"run": run_id, "pid": os.getpid(), "gpus": ""})


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait; the limit is for a test that fails."""
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


def measured(store: Store, run_id: str) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl as W&B shows them: what was not measured is left out."""
    rows = read_rows(store.paths.run(run_id).metrics)
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def offline_rows(store: Store, run_id: str) -> list[list[dict[str, Any]]]:
    """The rows in each of the run's offline files."""
    return [rows_in(file) for file in sorted(store.paths.wandb.glob(f"offline-run-*/run-{run_id}.wandb"))]


def harness(*words: str, environment: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    path = {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-m", f"harness.{words[0]}", *words[1:]]
    return subprocess.run(
        command, env={**os.environ, **environment, **path}, cwd=cwd, capture_output=True, text=True, check=False
    )
