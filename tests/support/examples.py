"""Plans, claims and results with chosen values, and golden files: for tests of output, without training."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.experiment.plan import Plan, PlannedRun, Registration
from harness.store.records import Record, Store, write_rows
from harness.store.run_summary import summary
from harness.tasks.protocol import Metric

ACCURACY = {"test_accuracy": Metric("%", "maximize", cases="test_images"), "train_loss": Metric("nats", "minimize")}
QUESTION = "Does LeakyReLU train a better network than ReLU?"
REHEARSAL = "REHEARSAL: profile smoke, not evidence"  # what is shown of plans of that profile
GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str, text: str) -> str:
    """The text of tests/golden/`name`; `REGENERATE=1 pytest` writes `text` there first. Review the diff before committing."""
    path = GOLDEN / name
    if os.environ.get("REGENERATE") == "1":
        path.write_text(text)
    return path.read_text()


def images_plan(variants: Sequence[str] = ("relu", "leaky_relu"), seeds: int = 3, **fields: Any) -> Plan:
    """A plan like one of the image task. Run ids encode variant and seed: a00000000001 is seed 1 of the first variant."""
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
        "known": (),
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Plan.model_validate({**values, **fields})


def image_records(plan: Plan, values: Mapping[str, Sequence[float | str]], metric: str = "test_accuracy") -> dict[str, Record]:
    """Records of such a plan from label -> one value or state per seed; missing seeds are pending."""

    def record(run: PlannedRun) -> Record:
        known = values[run.variant]
        value = known[run.seed] if run.seed < len(known) else "pending"
        if isinstance(value, str):
            return Record(run.id, value, reason="oom" if value == "failed" else None)  # type: ignore[arg-type]  # a state
        metrics = {metric: value, "test_images": 10_000.0}
        return Record(run.id, "completed", epoch=4, metrics=metrics, seconds=24.0, ended_at="2026-01-02T03:04:05+00:00")

    return {run.id: record(run) for run in plan.runs}


def comparison(variants: str | Sequence[str], over: str = "base", **fields: Any) -> dict[str, Any]:
    """A claim of a plan, by default that `variants` improve; a list is one joint claim."""
    labels = [variants] if isinstance(variants, str) else list(variants)
    claim = {"kind": "improves", "metric": "test_accuracy", "variants": labels, "over": [over] * len(labels), "margin": 0.25}
    return {**claim, **fields}


# Four variants, five seeds, and three claims, calculated by hand: supported, equivalent, refuted.
ACTIVATIONS: Mapping[str, Sequence[float]] = {
    "base": (93.12, 92.87, 93.25, 93.01, 92.95),
    "leaky_relu": (93.41, 93.30, 93.49, 93.44, 93.20),
    "gelu": (93.15, 92.96, 93.10, 93.07, 93.02),
    "no_batchnorm": (91.80, 91.20, 92.10, 91.05, 91.66),
}


def activations_plan(variants: Sequence[str] = tuple(ACTIVATIONS), seeds: int = 5, **fields: Any) -> Plan:
    """A plan of these variants, which claims that each improves on the first."""
    own = {"name": "activations", "experiment": "activations", "profile": None, "margin": 0.25}
    claims = tuple(comparison(label) for label in variants[1:])
    return images_plan(variants, seeds, **{**own, "claims": claims, **fields})


def changed(plan: Plan, **fields: Any) -> Plan:
    """The plan with changed fields."""
    return Plan.model_validate({**dict(plan), **fields})


def amended(plan: Plan, **fields: Any) -> Plan:
    """The plan after its file was changed to register `fields`."""
    own = {name: getattr(plan, name) for name in ("baseline", "looks", "margin", "alpha", "claims")}
    own |= {"at": "2026-01-03T00:00:00+00:00", "known": tuple(run.id for run in plan.runs)}
    return changed(plan, amended=Registration.model_validate({**own, "claims_digest": "1" * 64, **fields}))


def write_run(store: Store, plan: Plan, run: PlannedRun, rows: Sequence[Mapping[str, Any]], **result: Any) -> None:
    """Write the spec and rows of a run; with `state=...` also its result, with the metrics of the last row and those given."""
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
    rows = [{"seconds": 24.0 / len(rows), **row} for row in rows]
    write_rows(paths.metrics, rows)
    if "state" in result:
        last = {name: value for name, value in (rows[-1] if rows else {}).items() if name != "seconds"}
        metric = "score" if "score" in last else "test_accuracy"
        totals = {"train_seconds": 24.0 if rows else 0.0, f"{metric}_fluctuation": summary(rows, metric)[f"{metric}_fluctuation"]}
        ended = "2026-01-02T03:04:05+00:00"
        paths.result.write_text(json.dumps({"schema": 1, "ended": ended, **totals, **last, **result}))


def write_log(store: Store, run: PlannedRun, text: str) -> Path:
    """Write the log of a run."""
    path = store.paths.run(run.id).log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def toy_rows(score: float, epochs: int = 3) -> list[dict[str, Any]]:
    """Epochs of the toy task that rise to `score`."""
    return [
        {"epoch": epoch, "step": 4 * epoch, "score": score - epochs + epoch, "loss": 1.0 / epoch}
        for epoch in range(1, epochs + 1)
    ]
