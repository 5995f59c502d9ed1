"""Cost of the W&B mirror for training when the server fails, and whether everything is uploaded in the end.

    python benchmarks/tracking.py

Four runs of 60 epochs of the toy task (about 20 s, mostly asleep: what is measured is waiting, and the mirror's processor time is
measured apart), with the real client, against the small server of tests/tracking.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from timeit import timeit
from typing import Any

from record import write

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "tracking")]

from conftest import toy_plans  # noqa: E402 - needs the path above
from wandb_server import Server  # noqa: E402

from harness.common.stopping import Stop  # noqa: E402
from harness.execution.options import WorkerOptions  # noqa: E402
from harness.execution.plan_worker import PlanWorker  # noqa: E402
from harness.store.records import Store  # noqa: E402

RUNS, EPOCHS, EPOCH_S = 4, 60, 0.08
MIDDLE_S = 8.0
# Name -> how the server fails, and from when on [s]. None: it works.
TROUBLES: Mapping[str, tuple[int | str | None, float]] = {
    "not tracked": (None, 0),
    "offline": (None, 0),
    "online, nothing wrong": (None, 0),
    "connection ends, at the start": ("reset", 0),
    "401, at the start": (401, 0),
    "403, at the start": (403, 0),
    "429, at the start": (429, 0),
    "500, at the start": (500, 0),
    "hangs, at the start": ("hang", 0),
    "401, in the middle": (401, MIDDLE_S),
    "429, in the middle": (429, MIDDLE_S),
    "500, in the middle": (500, MIDDLE_S),
    "hangs, in the middle": ("hang", MIDDLE_S),
}


def measure(name: str, trouble: int | str | None, after_s: float) -> dict[str, Any]:
    """Train with this failure, then repair the server and upload."""
    plan = toy_plans.__wrapped__()({"base": {"epochs": EPOCHS, "steps": 4, "sleep": EPOCH_S / 4}}, seeds=RUNS)
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        os.environ |= {**server.environment(), "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
        if name == "offline":
            os.environ["WANDB_MODE"] = "offline"
        if name == "not tracked":
            os.environ["WANDB_MODE"] = "disabled"
        store = Store.open(Path(folder) / "results")
        store.save_plan(plan)
        worker = PlanWorker(store, plan, WorkerOptions(poll_s=0.05), Stop())
        paid_s: list[float] = []
        start = worker.mirror.start
        worker.mirror.start = lambda: paid_s.append(timeit(start, number=1))  # type: ignore[method-assign]
        threading.Timer(after_s, setattr, (server, "trouble", trouble)).start()
        spent, began = _spent_by_children(), time.perf_counter()
        worker.work()
        trained_s = time.perf_counter() - began
        worker.close()
        close_s = time.perf_counter() - began - trained_s
        spent = _spent_by_children() - spent
        completed = sum(record.state == "completed" for record in store.records(run.id for run in plan.runs).values())
        arrived = _arrived(server)
        server.trouble, os.environ["WANDB_MODE"] = None, "online"
        command = [sys.executable, "-m", "harness.sync", plan.name, "--results", str(store.paths.root)]
        synced = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return {
            "trouble": name,
            "training_s": round(trained_s, 2),
            "paid_ms": round(1000 * sum(paid_s), 1),
            "paid_percent": round(100 * sum(paid_s) / trained_s, 3),
            "waited_after_the_last_run_s": round(close_s, 1),
            "mirror_processor_s": round(spent, 1),
            "runs_completed": completed,
            "runs_arrived": arrived,
            "runs_arrived_after_sync": _arrived(server) if synced else None,
        }


def _arrived(server: Server) -> int:
    return sum(run.complete and len(run.history) == EPOCHS for run in server.runs.values())


def _spent_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    write("tracking", {"runs": RUNS, "epochs": EPOCHS, "kinds": [measure(name, *how) for name, how in TROUBLES.items()]})
