"""Create a results folder of 10,000 finished runs x 400 epochs with plausible, invented numbers.

    python benchmarks/make_store.py FOLDER [--plans 10] [--variants 10] [--seeds 100] [--epochs 400]

The plans share no run. Files are written directly, once, without fsync: plans, and
for each run spec.json, provenance.json, metrics.jsonl (numbers with all their digits), result.json with its seal and checksums,
and its released lease, so that `harness verify` finds nothing wrong. One run in a hundred diverged, with a "nan" in its last
line. There are no predictions (200 KB each): no benchmark reads them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.experiment import load_experiment
from harness.experiment.plan import Plan, PlannedRun, make_plan, task_of
from harness.store.atomic import to_json
from harness.store.check.result import totals_of
from harness.store.holder import Holder
from harness.store.lease import LeaseClaim
from harness.store.provenance import Provenance, content_digest
from harness.store.records import Result, Store, encode
from harness.store.result_seal import sealed
from harness.tasks.identity import identity
from harness.tasks.protocol import parse_config

EXPERIMENT = """
question: How long does it take to read 10,000 finished runs?
{variants}config: {{optimizer.weight_decay: {weight_decay}, training.epochs: {epochs}}}
seeds: {seeds}
"""


def factors(variants: int) -> str:
    """The YAML of that many variants, a multiple of five: with another, none is the task's default, the baseline."""
    return f"factors: {{model.dropout: {[place * 0.5 / variants for place in range(variants)]}}}\n"


VARIANTS = factors(10)
STEPS = 390  # per epoch
SAMPLES = 128 * STEPS
LINE = (
    '{{"epoch": {epoch}, "step": {step}, "learning_rate": {rate!r}, "train_loss": %r, "train_accuracy": {train}, '
    '"test_loss": %r, "test_accuracy": %.2f, "seconds": %r, "samples_per_second": %r, "peak_memory_bytes": 1503238553}}\n'
)
PROVENANCE = {
    "code": {"commit": "0" * 40, "dirty": False, "digest": "0" * 64},
    "packages": {"torch": "2.13.0", "numpy": "2.4.0"},
    "python": "3.11.7",
    "platform": "Linux",
    "host": "made-up",
    "device": "none: benchmarks/make_store.py",
    "threads": 1,
    "command": ["benchmarks/make_store.py"],
    "started": "2026-01-01T00:00:00.000+00:00",
    "ended": "2026-01-01T01:00:00.000+00:00",
    "restarts": [],
}
ORIGIN = Provenance.model_validate({"schema": 1, **PROVENANCE})
ORIGIN_DIGEST = content_digest(ORIGIN)
HOLDER = Holder(host="made-up", machine="made-up", pid=1, process_start="1")
LEASE = f"000000000240 free\n{LeaseClaim(holder=HOLDER).model_dump_json()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plans", type=int, default=10)
    parser.add_argument("--variants", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=400)
    arguments = parser.parse_args()
    make_store(arguments.folder, arguments.plans, arguments.seeds, arguments.epochs, factors(arguments.variants))


def make_store(folder: Path, plans: int = 10, seeds: int = 100, epochs: int = 400, variants: str = VARIANTS) -> None:
    """Create the results folder `folder` of `plans` x 10 variants x `seeds` runs; `variants`: others; empty: of one variant."""
    store = Store.open(folder)
    template = lines(epochs)
    generator = np.random.default_rng(0)
    for number in range(1, plans + 1):
        plan = planned(number, seeds, epochs, variants)
        store.save_plan(plan)
        task = task_of(plan)
        settings = {label: identity(parse_config(task, config)) for label, config in plan.variants.items()}
        for run in plan.runs:
            write_run(store, plan, run, settings[run.variant], template=template, generator=generator)


def planned(number: int, seeds: int, epochs: int, variants: str) -> Plan:
    """The plan `scale_<number>`; the data's fingerprint is a constant, none are read."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"scale_{number}.yaml"
        path.write_text(EXPERIMENT.format(weight_decay=number * 1e-4, epochs=epochs, seeds=seeds, variants=variants))
        return make_plan(load_experiment(path), created="2026-01-01T00:00:00+00:00", fingerprint=lambda _: "made-up:1")


def lines(epochs: int) -> list[str]:
    """metrics.jsonl with placeholders for train_loss, test_loss, test_accuracy, seconds and samples_per_second, line by line."""
    rates = 0.025 * (1 + np.cos(np.pi * np.arange(epochs) / epochs))
    return [
        LINE.format(
            epoch=epoch,
            step=epoch * STEPS,
            rate=float(rates[epoch - 1]),
            train=f"{100 - 60 * np.exp(-epoch / 60):.2f}" if epoch % 10 == 0 or epoch == epochs else "null",
        )
        for epoch in range(1, epochs + 1)
    ]


def write_run(
    store: Store,
    plan: Plan,
    run: PlannedRun,
    settings: Mapping[str, Any],
    *,
    template: list[str],
    generator: np.random.Generator,
) -> None:
    """Write one run's files. Its accuracy decreases with the index of its variant, with an sd of 0.2 points.

    `settings`: the configuration of its variant as it is hashed into its id.
    """
    epochs = len(template)
    fall = np.exp(-np.arange(1, epochs + 1) / (epochs / 6))
    noise = generator.normal(size=(4, epochs))
    losses = np.stack([0.55 + 1.6 * fall, 0.25 + 1.5 * fall]) * np.exp(0.01 * noise[:2])
    level = 94.0 - 0.1 * list(plan.variants).index(run.variant) + generator.normal(0, 0.2)
    accuracies = level - 50 * fall + 0.1 * noise[2]
    seconds = 9.0 + 0.1 * np.abs(noise[3])
    columns = np.stack([*losses, accuracies, seconds, SAMPLES / seconds])
    text = "".join(template) % tuple(columns.T.ravel().tolist())
    state = {"state": "completed"}
    if generator.random() < 0.01:
        state = {"state": "diverged", "error": f"train_loss is nan at epoch {epochs}"}
        body, last = f"\n{text[:-1]}".rsplit("\n", maxsplit=1)
        text = f"{body}\n{json.dumps({**json.loads(last), 'train_loss': 'nan'})}\n"[1:]
    last_row: dict[str, Any] = json.loads(text[:-1].rsplit("\n", maxsplit=1)[-1])
    spec = to_json(
        {
            "schema": 1,
            "task": plan.task,
            "version": plan.task_version,
            "config": settings,
            "seed": run.seed,
            "data": plan.data[run.variant],
        }
    )
    measured = {
        "seconds": seconds,
        "samples_per_second": SAMPLES / seconds,
        "peak_memory_bytes": np.full(epochs, 1503238553.0),
        "test_accuracy": np.round(accuracies, 2),
    }
    totals = totals_of(measured, epochs, "test_accuracy")
    result = {
        **state,
        "ended": PROVENANCE["ended"],
        "checksums": {"spec.json": digest(spec), "metrics.jsonl": digest(text.encode())},
        "provenance_digest": ORIGIN_DIGEST,
        **{name: value for name, value in last_row.items() if name != "seconds"},
        "parameters": 4_903_082,  # as the task counts them, which `harness verify` compares
        **{name: encode(value) for name, value in totals.items()},
    }
    paths = store.paths.run(run.id)
    paths.folder.mkdir(parents=True)
    paths.spec.write_bytes(spec)
    paths.provenance.write_bytes(to_json(ORIGIN))
    paths.metrics.write_text(text)
    paths.lease(1).write_text(LEASE)
    paths.result.write_bytes(to_json(sealed(Result.model_validate(result))))


def digest(content: bytes) -> str:
    """SHA-256, as in result.json."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
