"""Results of runs that were never trained, for pictures that say so."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from examples import changed, write_run
from reported import write_origin

from harness.execution.plan_worker import job
from harness.execution.schedule import Schedule
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.store.records import Store

EPOCHS = 400


def rows(run: PlannedRun, epochs: int = EPOCHS, gain: float = 0.0) -> list[dict[str, float]]:
    """Epochs that look like those of an image classifier; `gain` [percentage points] of test accuracy."""
    chance = random.Random(run.id)
    found = []
    for epoch in range(1, epochs + 1):
        learned = 1 - math.exp(-epoch / 25)
        accuracy = 40 + (54 + gain) * learned + chance.gauss(0, 0.5) * (1.2 - epoch / EPOCHS)
        loss = 1.9 * (1 - learned) + 0.02 + 0.02 * chance.random()
        own = {"train_loss": loss, "test_accuracy": accuracy, "learning_rate": 0.1 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2}
        found.append({"epoch": epoch, "step": 391 * epoch, "seconds": 3.6, "samples_per_second": 13_900.0, **own})
    return found


def completed(store: Store, plan: Plan, gains: Mapping[str, float]) -> None:
    """Save a plan, and results of all runs of its first look; `gains` by variant as of `rows`."""
    store.save_plan(changed(plan, known=()))
    for run in Schedule(plan).first_look():
        own = rows(run, gain=gains.get(run.variant, 0.0))
        write_run(store, plan, run, own, state="completed", train_seconds=sum(row["seconds"] for row in own))
        write_origin(store, run.id)
        store.paths.run(run.id).spec.write_text(job(plan, run, task_of(plan)).spec.model_dump_json(by_alias=True))
