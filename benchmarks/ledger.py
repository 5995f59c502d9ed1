"""Cost of the ledger: a plan of 10,000 runs, and 8 workers that record the same looks and events at the same time.

    python benchmarks/ledger.py

The runs are result files without training (20 variants x 500 seeds, 20 looks). Each worker is a process of its own that registers
the plan, records its first run and every look, and then 200 other events; each event must be recorded exactly once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import write

from harness.store.check.ledger import check_ledger
from harness.store.ledger.chain import Ledger, chain_entries, own_chain
from harness.store.records import Store

VARIANTS, SEEDS, LOOKS, WORKERS, OTHERS = 20, 500, 20, 8, 200
STEP = SEEDS // LOOKS

WORKER = """
import json, sys, time
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from ledger import LOOKS, OTHERS, STEP
from harness.execution.recording import record_first_run, record_looks, register
from harness.analysis.verdicts import Judgement
from harness.store.ledger.chain import Ledger
from harness.store.ledger.entry import WinnerChosen
from harness.store.records import Record, Store

store = Store.open(Path(sys.argv[1]), create=False)
plan = store.load_plan("scale")
records = {run.id: Record(run.id, "completed") for run in plan.runs}
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger(store.paths)
register(store, plan, ledger, goes_on=False)
record_first_run(store, plan, ledger)
looks, cpu = time.perf_counter(), time.process_time()
for look in range(STEP, LOOKS * STEP + 1, STEP):
    record_looks(store, plan, records, Judgement(look, look, False, (), ()), ledger)
others, cpu = time.perf_counter(), time.process_time() - cpu
wrote = 0
for number in range(OTHERS):
    event = WinnerChosen(plan="tuning", then=f"plan {number}", variants={"a": "b"})
    wrote += ledger.append(lambda state: None if event.then in state.chosen else event) is not None
ended = time.perf_counter()
print(json.dumps({"wrote": wrote, "looks": others - looks, "others": ended - others, "cpu": cpu}), flush=True)
"""


def make(root: Path) -> Store:
    """A results folder with the plan and a result of each run."""
    from harness.experiment import load_experiment
    from harness.experiment.plan import Plan, make_plan

    path = root / "scale.yaml"
    levels = ", ".join(f"{place / 100:.2f}" for place in range(VARIANTS))
    path.write_text(
        f"question: What does the ledger cost?\ntask: cifar_resnet\nfactors:\n  model.dropout: [{levels}]\n"
        f"baseline: dropout=0\nseeds: {SEEDS}\n"
    )
    plan = make_plan(load_experiment(path), "cpu", fingerprint=lambda _: "cifar10")
    plan = Plan.model_validate({**dict(plan), "looks": tuple(range(STEP, SEEDS + 1, STEP))})
    store = Store.open(root / "results")
    store.save_plan(plan)
    for place, run in enumerate(plan.runs):
        paths = store.paths.run(run.id)
        paths.folder.mkdir()
        result = {"schema": 1, "state": "completed", "test_accuracy": 90 + place / 1e4, "ended": "2026-01-02T03:04:05+00:00"}
        paths.result.write_text(json.dumps(result))
    return store


def race(store: Store) -> list[Any]:
    """The times of each worker."""
    command = [sys.executable, "-c", WORKER, str(store.paths.root), str(Path(__file__).parent)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(WORKERS)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [json.loads(worker.communicate()[0]) for worker in workers]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = make(Path(folder))
        times = race(store)
        chain = own_chain(store.paths)
        assert chain is not None
        entries = list(chain_entries(chain))
        expected = 3 + LOOKS + OTHERS  # opened, registered, first run
        assert len(entries) == expected, (len(entries), expected)
        assert sum(each["wrote"] for each in times) == OTHERS
        began = time.perf_counter()
        Ledger(store.paths).read()
        read_s = time.perf_counter() - began
        plan = store.load_plan("scale")
        assert plan is not None
        began = time.perf_counter()
        assert check_ledger(store, [plan]) == []
        verify_s = time.perf_counter() - began
        write(
            "ledger",
            {
                "runs": VARIANTS * SEEDS,
                "workers": WORKERS,
                "entries": len(entries),
                "bytes": sum(path.stat().st_size for _, path in entries),
                "cpu_seconds_per_look_and_worker": round(max(each["cpu"] for each in times) / LOOKS, 4),
                "seconds_per_look_of_the_slowest_worker": round(max(each["looks"] for each in times) / LOOKS, 4),
                "seconds_per_other_entry_of_the_slowest_worker": round(max(each["others"] for each in times) / OTHERS, 4),
                "seconds_to_read_all": round(read_s, 4),
                "seconds_to_verify": round(verify_s, 4),
            },
        )


if __name__ == "__main__":
    main()
