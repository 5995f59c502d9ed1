"""Experiments of a program of two steps: pretrain.py leaves a number, finetune.py starts from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store.records import Store

# Both add a line to the file `started` when they start. Behaviour for tests is chosen by files in the working directory:
# `NAME.breaks` and `NAME.hangs` make a script fail or wait; it goes on from {run_dir}/place.
SCRIPT = """
import argparse, os, random, sys, time
NAME = os.path.basename(sys.argv[0])[:-3]
parser = argparse.ArgumentParser()
for option in ("--out", "--init", "--seed", "--width", "--rate", "--epochs"):
    parser.add_argument(option, default="0")
parser.add_argument("--resume", action="store_true")
a = parser.parse_args()
with open("started", "a") as file:
    file.write(f"{NAME} seed={a.seed} width={a.width} rate={a.rate}{' resumed' if a.resume else ''}\\n")
if os.path.exists(NAME + ".breaks"):
    sys.exit(f"{NAME} is broken")
x = float(a.width) if a.init == "0" else float(open(a.init).read())
place = os.path.join(a.out, "place")
first = 1
if a.resume:
    saved = open(place).read().split()
    first, x = int(saved[0]), float(saved[1])
for epoch in range(first, 4):
    x += float(a.rate) + random.Random(f"{NAME} {a.seed} {epoch}").random()
    print(f"epoch {epoch}: {'loss' if a.init == '0' else 'score'} {x:.6f}", flush=True)
    open(place, "w").write(f"{epoch + 1} {x}")
    while epoch == 2 and os.path.exists(NAME + ".hangs"):
        time.sleep(0.02)
open(os.path.join(a.out, "model"), "w").write(str(x))
"""

PRETRAIN = {
    "command": "{python} pretrain.py --out={run_dir} --seed={seed} --width={width}",
    "metrics": {"loss": {"goal": "minimize", "unit": "nats", "pattern": r"epoch (?P<step>\d+): loss (?P<value>\S+)"}},
}
FINETUNE = {
    "command": "{python} finetune.py --init={steps.pretrain}/model --out={run_dir} --seed={seed} --rate={rate}",
    "metrics": {"score": {"goal": "maximize", "pattern": r"epoch (?P<step>\d+): score (?P<value>\S+)"}},
}
RESUME = {"resume": "--resume", "checkpoint": "place"}
RATES = {"rate": [0.0, 1.0, 2.0]}


def task(pretrain: Mapping[str, Any] | None = None, finetune: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The `task:` mapping, with changed fields of the steps and of the task."""
    steps = {"pretrain": {**PRETRAIN, **(pretrain or {})}, "finetune": {**FINETUNE, **(finetune or {})}}
    return {"steps": steps, "knobs": {"width": 1.0, "rate": 0.0}, **fields}


def written(folder: Path, task: Mapping[str, Any], name: str = "two", **fields: Any) -> Path:
    """The scripts and the experiment in `folder`; `fields` are added to the file, by default three rates and one seed."""
    for script in ("pretrain.py", "finetune.py"):
        (folder / script).write_text(SCRIPT)
    if "search" not in fields:
        fields = {"factors": RATES, "seeds": 1, **fields}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"question": "Does the rate matter?", "task": task, **fields}, sort_keys=False))
    return path


def stepped(folder: Path, task: Mapping[str, Any], **fields: Any) -> Plan:
    """The plan of `written`."""
    return make_plan(load_experiment(written(folder, task, **fields)), created="2026-01-01T00:00:00+00:00")


def started(folder: Path) -> list[str]:
    """The lines that the scripts wrote when they started."""
    path = folder / "started"
    return path.read_text().splitlines() if path.exists() else []


def outcomes(store: Store, plan: Plan) -> list[tuple[str, str | None]]:
    """State and error of each run."""
    records = store.records(run.id for run in plan.runs).values()
    return [(record.state, record.error) for record in records]
