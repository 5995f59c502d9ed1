"""Plans and searches of the shipped experiments in the middle of their training, with made-up results."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from unittest.mock import patch

from harness.execution.schedule import Schedule
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.experiment.space import Categorical, Range
from harness.experiment.study import Study, make_study
from harness.search.trials import Trial
from harness.store.records import Record, Store, write_rows

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NAMES = sorted(path.stem for path in EXPERIMENTS.glob("*.yaml"))
SEARCHES = ("search",)
EPOCH_S = 3.6


def plan_of(name: str) -> Plan:
    """The plan of an experiment of this repository; its data need not be there."""
    return make_plan(load_experiment(EXPERIMENTS / f"{name}.yaml"), "cuda", created="2026-01-01", fingerprint=lambda _: "made up")


def study_of(name: str) -> Study:
    """The same for a search."""
    experiment = load_experiment(EXPERIMENTS / f"{name}.yaml")
    with patch.object(type(experiment.task), "fingerprint", lambda *_: "made up"):
        return make_study(experiment, "cuda", created="2026-01-01")


def completed(run_id: str, epochs: int, value: float) -> Record:
    """A finished run with this accuracy [%]."""
    metrics = {"test_accuracy": value, "validation_accuracy": value, "train_accuracy": 98.0, "parameters": 4903082.0}
    seconds = epochs * EPOCH_S
    return Record(run_id, "completed", epoch=epochs, metrics=metrics, seconds=seconds, ended_at="2026-01-02T03:04:05+00:00")


def running(store: Store, run_id: str, epochs: int, value: float) -> Record:
    """A run in training, whose rows are in the results folder."""
    row = {"step": 391 * epochs, "seconds": EPOCH_S, "samples_per_second": 13_900.0 + epochs, "train_loss": 0.8}
    row |= {"test_accuracy": value, "validation_accuracy": value}
    store.paths.run(run_id).folder.mkdir(parents=True, exist_ok=True)
    write_rows(store.paths.run(run_id).metrics, [{"epoch": epoch, **row} for epoch in range(1, epochs + 1)])
    return Record(run_id, "running", epoch=epochs, host="gpu07", pid=4711)


def mid_run(store: Store, plan: Plan, share: float = 0.4, at_once: int = 2, failed: bool = True) -> dict[str, Record]:
    """`share` of the runs of the first look have completed, one `failed`, `at_once` are in training."""
    values = random.Random(7)
    first = Schedule(plan).first_look() if plan.claims else plan.runs
    records = {run.id: Record(run.id, "pending") for run in plan.runs}
    done = round(share * len(first))
    for place, run in enumerate(first[: done + at_once]):
        value = 94.0 + values.gauss(0.6 if run.variant == plan.baseline else 0.4, 0.2)
        if place < done:
            records[run.id] = completed(run.id, 400, value)
        else:
            records[run.id] = running(store, run.id, 120 - 37 * (place - done), value - 3)
    if failed and done > 3:
        records[first[done - 2].id] = Record(first[done - 2].id, "failed", reason="oom", epoch=3)
    return records


def trials_of(store: Store, study: Study, done: int = 37, at_once: int = 2) -> list[Trial]:
    """`done` trials have finished, every third pruned and one diverged; `at_once` are in training."""
    chooser = random.Random(7)

    def values() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for parameter in study.space:
            if all(found.get(name) in options for name, options in parameter.when.items()):
                found[parameter.name] = _value(parameter, chooser)
        return found

    trials = []
    for number in range(done + at_once):
        run, value = f"{number:012x}", 90.0 + chooser.gauss(3.0, 1.0)
        if number >= done:
            trials.append(Trial(number, "running", values(), {}, (run,)))
            running(store, run, 120 - 37 * (number - done), value - 3)
            write_lease(store, run)
        elif number % 3 == 1:
            trials.append(Trial(number, "pruned", values(), {}, (run,), "after epoch 200", seconds=200 * EPOCH_S, epochs=200))
        elif number == 6:
            trials.append(Trial(number, "diverged", values(), {}, (run,), "train_loss", seconds=9 * EPOCH_S, epochs=9))
        else:
            objectives = {study.metric: value}
            trials.append(Trial(number, "completed", values(), objectives, (run,), seconds=400 * EPOCH_S, epochs=400))
    return trials


def write_lease(store: Store, run_id: str) -> None:
    """A worker of this process holds the run."""
    from harness.store.holder import Holder
    from harness.store.lease import Timing, Watch

    assert store.take(run_id, Watch(Timing(), Holder.here())) is not None


def _value(parameter: Categorical | Range, chooser: random.Random) -> Any:
    if isinstance(parameter, Categorical):
        return chooser.choice(list(parameter.options))
    value = chooser.uniform(parameter.low, parameter.high)
    return round(value) if parameter.integer else float(f"{value:.3g}")
