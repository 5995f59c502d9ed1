"""Time to read and plan an experiment of 10,000 runs (10 variants x 1,000 seeds).

    python benchmarks/plan_ids.py

Each is repeated for median and best; the first reading, which builds the pydantic models, is reported separately.
The data fingerprint is a constant, that of CIFAR-10: no data are read.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from record import write

from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan

REPEATS = 9
EXPERIMENT = """
question: How long does it take to plan 10,000 runs?
factors:
  model.dropout: [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
seeds: 1000
"""


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.yaml"
        path.write_text(EXPERIMENT)
        first_reading = seconds(lambda: load_experiment(path))
        reading = statistics.median(seconds(lambda: load_experiment(path)) for _ in range(REPEATS))
        experiment = load_experiment(path)
    plan: Plan = make_plan(experiment)
    assert len({run.id for run in plan.runs}) == 10_000
    planning = [seconds(lambda: make_plan(experiment)) for _ in range(REPEATS)]
    writing = statistics.median(seconds(lambda: plan.model_dump_json(by_alias=True)) for _ in range(REPEATS))
    median = statistics.median(planning)
    write(
        "plan_ids",
        {
            "runs": len(plan.runs),
            "plan_seconds_median": round(median, 4),
            "plan_seconds_best": round(min(planning), 4),
            "runs_per_second": round(len(plan.runs) / median),
            "read_yaml_seconds_first": round(first_reading, 4),
            "read_yaml_seconds_median": round(reading, 4),
            "to_json_seconds_median": round(writing, 4),
            "repeats": REPEATS,
        },
    )


if __name__ == "__main__":
    main()
