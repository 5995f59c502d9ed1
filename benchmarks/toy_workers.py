"""Processes that train a plan of gated_toy: the plan, a worker's arguments and environment, and a process that runs meanwhile."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.execution.recording import save_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Store

HERE = Path(__file__).parent
EXPERIMENT = """
question: What does a look at the plan cost?
task: gated_toy:GATED
factors: {effect: [0, 1]}
seeds: 1000
"""
PENDING = 2_000


def planned(root: Path) -> tuple[Store, Plan]:
    """A results folder with a plan of 2,000 pending runs."""
    store, experiment = Store.open(root), root.with_name("folder.yaml")
    experiment.write_text(EXPERIMENT)
    plan = make_plan(load_experiment(experiment))
    assert len(plan.runs) == PENDING
    save_plan(store, plan, replaces=False)
    return store, plan


def worker_arguments(store: Store, plan: Plan) -> list[str]:
    return [str(store.paths.plan(plan.name)), "--track", "none", "--threads", "1"]


def worker_environment() -> dict[str, str]:
    modules = os.pathsep.join(map(str, (HERE, HERE.parent / "tests", HERE.parent)))
    return {**os.environ, "PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def running(command: Sequence[str], gate: Path, runs: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command meanwhile, with the variables of gated_toy; its process group is asked to stop at the end, then killed."""
    environment = {**worker_environment(), "GATED_TOY": str(gate), "GATED_TOY_RUNS": str(runs)}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, env=environment) as process:
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(subprocess.TimeoutExpired, ProcessLookupError):
                    os.killpg(process.pid, number)
                    process.wait(timeout=10)


@contextmanager
def closed(gate: Path) -> Iterator[None]:
    """The folder in which the first runs of gated_toy wait meanwhile."""
    gate.mkdir()
    with (gate / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_for(process: subprocess.Popen[bytes], gate: Path, workers: int) -> None:
    """Wait until so many workers that the process has started wait at the gate."""
    while len(list(gate.iterdir())) - 1 < workers:
        if process.poll() is not None:
            raise RuntimeError(f"the workers ended with code {process.returncode} before their first runs")
        time.sleep(0.2)
