"""Plans and results for tests of what people see: a store with chosen endings, without training anything."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.plan import Plan, PlannedRun, Registration
from harness.store.records import Store, write_rows
from harness.task import Metric

ACCURACY = {"test_accuracy": Metric("%", "maximize", cases="test_images"), "train_loss": Metric("nats", "minimize")}
QUESTION = "Does LeakyReLU train a better network than ReLU?"
GOLDEN = Path(__file__).parent / "golden"


def golden(name: str, text: str) -> str:
    """The text of tests/golden/`name`; `REGENERATE=1 pytest` writes `text` there first. Look at the change before it is kept."""
    path = GOLDEN / name
    if os.environ.get("REGENERATE") == "1":
        path.write_text(text)
    return path.read_text()


def images_plan(variants: Sequence[str] = ("relu", "leaky_relu"), seeds: int = 3, **fields: Any) -> Plan:
    """A plan like the image task's; run ids tell variant and seed: a00000000001 is the first variant's seed 1."""
    labels = "abcdef0123456789"
    config = {"data": {"dataset": "cifar10_mini"}, "training": {"epochs": 4, "precision": "fp32"}}
    values = {
        "name": "leakyrelu_vs_relu@smoke",
        "experiment": "leakyrelu_vs_relu",
        "profile": "smoke",
        "question": QUESTION,
        "task": "cifar_resnet",
        "task_version": "1",
        "accelerator": "cpu",
        "baseline": variants[0],
        "looks": (seeds,),
        "margin": 3.0,
        "variants": {label: {**config, "model": {"activation": label}} for label in variants},
        "data": dict.fromkeys(variants, "cifar10_mini:1"),
        "levels": {label: {} for label in variants},
        "over": dict.fromkeys(variants, variants[0]),
        "runs": tuple(
            PlannedRun(id=f"{labels[place]}{seed:011}", variant=label, seed=seed, look=seeds)
            for seed in range(seeds)
            for place, label in enumerate(variants)
        ),
        "claims_digest": "0" * 12,
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Plan.model_validate({**values, **fields})


def changed(plan: Plan, **fields: Any) -> Plan:
    """The plan with other fields."""
    return Plan.model_validate({**dict(plan), **fields})


def amended(plan: Plan, **fields: Any) -> Plan:
    """The plan after its file was given another registration: its own, with `fields`."""
    own = {name: getattr(plan, name) for name in ("baseline", "looks", "margin", "alpha", "claims")}
    return changed(plan, amended=Registration.model_validate({**own, "claims_digest": "1" * 64, **fields}))


def write_run(store: Store, plan: Plan, run: PlannedRun, rows: Sequence[Mapping[str, Any]], **result: Any) -> None:
    """Write a run's spec and rows; with `state=...` its result too, whose metrics are the last row's and what is given."""
    paths = store.paths.run(run.id)
    paths.folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "schema": 1,
        "task": plan.task,
        "version": plan.task_version,
        "config": plan.variants[run.variant],
        "seed": run.seed,
        "data": plan.data[run.variant],
    }
    paths.spec.write_text(json.dumps(spec))
    write_rows(paths.metrics, rows)
    if "state" in result:
        last = dict(rows[-1]) if rows else {}
        ended = "2026-01-02T03:04:05+00:00"
        paths.result.write_text(json.dumps({"schema": 1, "ended": ended, "train_seconds": 24.0, **last, **result}))


def write_log(store: Store, run: PlannedRun, text: str) -> Path:
    """Write a run's log."""
    path = store.paths.run(run.id).log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def toy_rows(score: float, epochs: int = 3) -> list[dict[str, Any]]:
    """A toy's epochs that climb to `score`."""
    return [
        {"epoch": epoch, "step": 4 * epoch, "score": score - epochs + epoch, "loss": 1.0 / epoch}
        for epoch in range(1, epochs + 1)
    ]
