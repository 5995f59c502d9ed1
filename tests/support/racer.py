"""A process that trains plans on command: reads their paths from stdin, a line each, and writes what it saw at the end as JSON.

A process of its own that has imported everything: two of them get to a look's end at the same time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.analysis.look_levels import levels_for
from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.schedule import judge_records
from harness.worker import open_plan

QUICK = WorkerOptions(threads=1, poll_s=0.001)


def race(path: Path) -> dict[str, object]:
    """Train the plan, together with other processes; exit code, requested runs and verdicts."""
    store, plan = open_plan(path)
    code = PlanWorker(store, plan, QUICK, Stop()).work()
    levels = levels_for(store, plan)
    while True:
        records = store.records(run.id for run in plan.runs)
        found = judge_records(plan, records, levels)
        requested = [run.id for run in plan.runs if run.seed < found.horizon]
        if all(records[run_id].finished for run_id in requested):  # of the last look, another may still train the last one
            break
    return {"code": code, "asked": requested, "verdicts": [(one.verdict, one.decided_at) for one in found.verdicts]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(race(Path(line.strip()))), flush=True)
