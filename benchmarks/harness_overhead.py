"""Overhead of the harness: a rehearsal with `harness run`, and the same training without it.

    python benchmarks/harness_overhead.py [--device cpu|cuda]

The smoke network on the shipped miniature, two variants and three seeds, with one worker. The task is cifar_resnet itself, which
records when it is called (timed_task.py): the overhead is the time in between, to the millisecond, while two complete runs differ
by more than that from noise alone. Complete runs are compared too, alternately: through `attempt`, with folder, lease, rows and
predictions, and without.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from record import machine, write
from sides import ratios

from harness.execution.attempt import attempt
from harness.execution.job import AttemptOptions
from harness.execution.machine.processors import cpus
from harness.execution.plan_worker import job
from harness.execution.process import use_threads
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store
from harness.tasks.protocol import Accelerator

HERE = Path(__file__).parent
TURNS = 6
EPOCHS = 4
EXPERIMENT = """
question: What does the harness take around training?
task: timed_task:TIMED
config:
  data.dataset: cifar10_mini
  model: {{stem_width: 16, widths: [16, 32, 64], depths: [1, 1, 1]}}
  training.epochs: {epochs}
variants: {{relu: {{model.activation: relu}}, leaky_relu: {{}}}}
baseline: relu
seeds: 3
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    device: Accelerator = parser.parse_args().device
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = folder / "overhead.yaml"
        experiment.write_text(EXPERIMENT.format(epochs=EPOCHS))
        cold, warm = (commanded(experiment, folder / kind, device) for kind in ("cold", "warm"))
        figures = {
            "epochs": EPOCHS,
            "cold": dict(cold),
            **warm,
            "attempt": in_turns(experiment, folder, device),
            "load_average": round(os.getloadavg()[0], 1),
        }
    write("harness_overhead", figures, device, machine(("torch", "numpy", "pydantic", "typer")))
    print("\n".join(rows(figures)), file=sys.stderr)


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The rows of the table in docs/performance.md, which a test compares."""
    share = figures["attempt"]["speed_as_a_share_of_bare"]
    return [
        f"| around training, of all time from the first run's start to the last one's | {100 * figures['share_of_time']:.2f} % |",
        f"| between a run's last epoch and the next one's start | {figures['between_runs_seconds_median']} s |",
        f"| the next run's start: network and optimiser | {figures['next_start_seconds_median']} s |",
        f"| a run's last epoch to the next one's first step | {figures['last_epoch_to_next_first_step_seconds_median']} s |",
        f"| `harness run` to its first step | {figures['command_to_first_step_seconds']} s |",
        f"| the same, the images not decoded before | {figures['cold']['command_to_first_step_seconds']} s |",
        f"| the last epoch to the end of the command, report included | {figures['last_epoch_to_end_of_command_seconds']} s |",
        f"| speed of a run through `attempt`, bare: 1 | {share['median']} ({share['lowest']} to {share['highest']}) |",
    ]


def commanded(experiment: Path, folder: Path, device: str) -> dict[str, float]:
    """`harness run` on a new results folder; the cache of decoded images is shared, so it is warm in the second call."""
    folder.mkdir()
    events = folder / "events.jsonl"
    environment = {
        **os.environ,
        "TIMED_TASK_EVENTS": str(events),
        "HARNESS_CACHE": str(folder.parent / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
    }
    command = [sys.executable, "-m", "harness.run", str(experiment), "--device", device, "--track", "none"]
    began = time.time()
    subprocess.run([*command, "--results", str(folder / "results")], check=True, capture_output=True, env=environment)
    return measured([json.loads(line) for line in events.read_text().splitlines()], began, time.time())


def measured(events: Sequence[Mapping[str, Any]], began: float, ended: float) -> dict[str, float]:
    """Figures of a command that ran from `began` to `ended`, from the ordered events of its task.

    The share is of the time from the first run's start to the last one's: what went neither into `start` nor `advance`, and what
    answering took when the task asked, after each step, whether to stop. The gaps lie between a run's last epoch and the next
    one's first, with and without the task's own `start`.
    """
    starts, epochs, firsts = ([e for e in events if e["event"] == name] for name in ("start", "advance", "first step"))
    whole = starts[-1]["began"] - starts[0]["began"]
    own = [event for event in (*starts, *epochs) if event["began"] < starts[-1]["began"]]
    inside = sum(event["ended"] - event["began"] - event.get("asking", 0.0) for event in own)
    gaps = []
    for start, first in zip(starts[1:], firsts[1:], strict=True):
        before = max(event["ended"] for event in epochs if event["ended"] <= start["began"])
        after = min(event["began"] for event in epochs if event["began"] >= start["ended"])
        gaps.append((after - before, start["ended"] - start["began"], first["began"] - before))
    with_start, of_start, to_step = zip(*gaps, strict=True)
    return {
        "share_of_time": round(1 - inside / whole, 4),
        "whole_seconds": round(whole, 1),
        "command_to_first_step_seconds": round(firsts[0]["began"] - began, 2),
        "first_start_seconds": round(starts[0]["ended"] - starts[0]["began"], 2),
        "between_runs_seconds_median": round(statistics.median(with_start) - statistics.median(of_start), 3),
        "next_start_seconds_median": round(statistics.median(of_start), 3),
        "last_epoch_to_next_first_step_seconds_median": round(statistics.median(to_step), 3),
        "last_epoch_to_end_of_command_seconds": round(ended - epochs[-1]["ended"], 1),
    }


def in_turns(experiment: Path, folder: Path, device: Accelerator) -> dict[str, Any]:
    """Alternate a run through `attempt` and the same training without it; runs per second of both, and their ratio."""
    os.environ["TIMED_TASK_EVENTS"] = os.devnull
    os.environ["HARNESS_CACHE"] = str(folder / "cache")
    use_threads(cpus())
    loaded = load_experiment(experiment)
    store = Store.open(folder / "turns")
    through, bare = [], []
    for turn in range(TURNS + 1):
        plan = make_plan(loaded, accelerator=device, seeds=TURNS + 1)
        seconds = attempted(store, plan, turn, device), trained(plan, turn, device)
        if turn > 0:  # the first one includes imports and allocations
            through.append(1 / seconds[0])
            bare.append(1 / seconds[1])
    return {
        "seconds_median": round(1 / statistics.median(through), 2),
        "bare_seconds_median": round(1 / statistics.median(bare), 2),
        "speed_as_a_share_of_bare": {name: round(value, 3) for name, value in ratios(through, bare).items()},
        "turns": TURNS,
    }


def attempted(store: Store, plan: Plan, turn: int, device: Accelerator) -> float:
    """Seconds of one run as in a worker."""
    run = plan.runs[turn]
    started = time.perf_counter()
    lease = store.take(run.id, Watch(Timing(), Holder.here()))
    assert lease is not None
    with lease:
        result = attempt(job(plan, run, timed()), store.paths.run(run.id), lease, AttemptOptions(device=device, threads=cpus()))
    assert result.state == "completed"
    return time.perf_counter() - started


def trained(plan: Plan, turn: int, device: Accelerator) -> float:
    """Seconds of the same run without the harness."""
    wanted = job(plan, plan.runs[turn], timed())
    started = time.perf_counter()
    training = wanted.task.start(wanted.config, wanted.spec.seed, device)
    while not training.finished:
        training.advance(lambda: False)
    return time.perf_counter() - started


def timed() -> Any:
    from timed_task import TIMED

    return TIMED


if __name__ == "__main__":
    main()
