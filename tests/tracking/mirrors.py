"""Toy runs on disk, and mirror processes that show them: what the tests of tracking share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import TESTS
from runfile import rows as rows_in

from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.experiment.plan import Plan
from harness.store.holder import Holder
from harness.store.lease import Lease, Timing, Watch
from harness.store.records import Store, read_rows, write_rows
from harness.tracking.alerts import Alert
from harness.tracking.client import Limits, UnreachableError
from harness.tracking.page import FinalUpdate, Page
from harness.tracking.session import MirrorProcess, end_session

QUICK = Limits(poll_s=0.05, confirm_after_s=(0.0, 0.2, 0.5, 1.0))
OTHER = Holder(host="gpu07", machine="another", pid=1, process_start="1")


def train(store: Store, plan: Plan, **options: Any) -> None:
    """Train the plan's runs in this process, mirrored nowhere."""
    store.save_plan(plan)
    PlanWorker(store, plan, WorkerOptions(track="none", poll_s=0.01, **options), Stop()).work()


@contextmanager
def mirror(
    store: Store, target: Plan | Path, kind: str = "online", environment: Mapping[str, str] | None = None, limits: Limits = QUICK
) -> Iterator[MirrorProcess]:
    """A mirror of the runs that this process trains; closed, or else killed, with the test."""
    os.environ |= {**(environment or {}), "WANDB_MODE": kind, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    path = target if isinstance(target, Path) else store.paths.plan(target.name)
    started = MirrorProcess(store.paths, "auto", path, limits=limits)
    started.start()
    process = started.process
    assert process is not None
    try:
        yield started
        started.close()
    finally:
        if process.poll() is None:
            end_session(process)


def show(
    store: Store, target: Plan | Path, kind: str = "online", environment: Mapping[str, str] | None = None, **limits: Any
) -> None:
    """Have ended runs of a plan or a search mirrored, as if they had been trained meanwhile."""
    with mirror(store, target, kind, environment, Limits(**{**dict(QUICK), **limits})):
        pass


def in_training(store: Store, run_id: str, by: Holder | None = None) -> Lease:
    """A run's lease, held by this process or another one; released when it is left as a context."""
    lease = store.take(run_id, Watch(Timing(), by or Holder.here()))
    assert lease is not None
    return lease


def unended(store: Store, run_id: str, rows: int) -> list[dict[str, Any]]:
    """As if the run stood after `rows` epochs; returns all rows."""
    paths = store.paths.run(run_id)
    whole = read_rows(paths.metrics)
    paths.result.replace(paths.result.with_suffix(".kept"))
    write_rows(paths.metrics, whole[:rows])
    return whole


def ended(store: Store, run_id: str, rows: list[dict[str, Any]]) -> None:
    """As if the run had ended with these rows."""
    paths = store.paths.run(run_id)
    write_rows(paths.metrics, rows)
    paths.result.with_suffix(".kept").replace(paths.result)


class ToyRun:
    """A run of the toy client: what it was given."""

    def __init__(self, client: ToyClient, run_id: str, online: bool) -> None:
        self.client, self.path, self.online = client, run_id, online
        self.url = f"https://wandb.test/{run_id}"
        self.rows_stored = client.rows.setdefault(run_id, 0)

    def log(self, row: Mapping[str, Any]) -> None:
        assert row
        self.client.rows[self.path] += 0 if self.path in self.client.short else 1

    def finish(self, ending: FinalUpdate) -> None:
        self.client.states[self.path] = ending.summary["state"]

    def alert(self, alert: Alert) -> None:
        self.client.alerts.append(alert.title)

    def save_text(self, name: str, text: str) -> None:
        self.client.texts.append((self.path, name, text))

    def show(self, values: Mapping[str, Any]) -> None:
        self.client.shown.setdefault(self.path, []).extend(values)

    def upload(
        self,
        name: str,
        kind: str,
        files: Sequence[Path],
        metadata: Mapping[str, Any],  # noqa: ARG002 - as the real one
        aliases: Sequence[str] = (),  # noqa: ARG002
    ) -> None:
        assert files[0].is_file()
        self.client.asked.append(name)
        if kind in self.client.refuses:
            raise UnreachableError(f"no space for {name}")
        self.client.uploads.append(name)


class ToyClient:
    """Takes runs, but for those that it does not open, whose rows it loses, and for kinds of files that it refuses."""

    limits = Limits(confirm_after_s=(0.0,))  # the toy counts rows as it takes them

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self.opened: list[str] = []
        self.hardware: dict[str, object] = {}
        self.asked: list[str] = []
        self.uploads: list[str] = []
        self.alerts: list[str] = []
        self.texts: list[tuple[str, str, str]] = []
        self.shown: dict[str, list[str]] = {}
        self.refuses: set[str] = set()
        self.short: set[str] = set()
        self.closed: set[str] = set()

    def open(self, page: Page, online: bool, hardware: object) -> ToyRun:
        if page.id in self.closed:
            raise UnreachableError("no response within 12 s")
        self.opened.append(page.id)
        self.states[page.id] = "running"
        self.hardware[page.id] = hardware
        return ToyRun(self, page.id, online)

    def rows_at(self, path: str) -> int:
        return self.rows[path]

    def mark_delivered(self, run_id: str) -> None:
        """There are no offline folders."""


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
