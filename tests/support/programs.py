"""Experiments that train a small script as a command task."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml

from harness import worker
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Record, Store

# A random walk to a value that depends on rate and seed. Prints one line per epoch.
WALK = """
import argparse, random, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=3)
a = parser.parse_args()
draw = random.Random(a.seed)
x = 3.0
for epoch in range(1, a.epochs + 1):
    x -= a.rate * (x - draw.gauss(0, 0.1))
    print(f"epoch {epoch}: loss {x:.6f}")
"""
LOSS = {"goal": "minimize", "unit": "nats", "pattern": r"epoch (?P<step>\d+): loss (?P<value>\S+)"}


def experiment(folder: Path, script: str, *, seeds: int = 1, name: str = "walk", **fields: Any) -> Path:
    """Write `train.py` and an experiment of it; `fields` are added to `task:`, or to the top level if they belong there."""
    (folder / "train.py").write_text(textwrap.dedent(script))
    own = ("factors", "variants", "claims", "margin", "config", "design", "profiles", "baseline")
    task = {"command": "{python} train.py --seed={seed} {knobs}", "metrics": {"loss": LOSS}}
    task |= {key: value for key, value in fields.items() if key not in own}
    file = {"question": "Does it walk?", "task": task, "seeds": seeds, **{key: fields[key] for key in own if key in fields}}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(file, sort_keys=False))
    return path


def planned(folder: Path, script: str, **fields: Any) -> Plan:
    """The plan of `experiment`."""
    return make_plan(load_experiment(experiment(folder, script, **fields)), created="2026-01-01T00:00:00+00:00")


def trained(store: Store, plan: Plan, *options: str) -> list[Record]:
    """Train the plan with a worker in this process; the records of its runs."""
    worker.main([str(store.save_plan(plan)), *options])
    return list(store.records(run.id for run in plan.runs).values())


def log_of(store: Store, plan: Plan, index: int = 0) -> str:
    """The log of a run."""
    return store.paths.run(plan.runs[index].id).log.read_text(errors="backslashreplace")
