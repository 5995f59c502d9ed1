"""Intervals for new images: which predictions they need, and when there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from examples import images_plan, write_run

from harness.analysis import new_images as new_images_module
from harness.analysis.new_images import Images, new_images
from harness.analysis.statistics import crossed
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tasks.protocol import Metric

PAIR = ("leaky_relu", "relu")
ACCURACY = Metric("%", "maximize", cases="test_images")
LABELS = np.arange(40) % 10
# Which of the 40 images each variant gets right, by seed: those before the number.
RIGHT = {"relu": (30, 28, 31), "leaky_relu": (33, 32, 30)}


@pytest.fixture
def plan(store: Store) -> Plan:
    """Two variants, three seeds, all with predictions."""
    plan = images_plan()
    for run in plan.runs:
        right = RIGHT[run.variant][run.seed]
        write_run(store, plan, run, [{"epoch": 1, "step": 1, "test_accuracy": 100 * right / 40}], state="completed")
        said = np.where(np.arange(40) < right, LABELS, (LABELS + 1) % 10)
        write_predictions(store, run.id, np.eye(10)[said], LABELS)
    return plan


def write_predictions(store: Store, run_id: str, probabilities: np.ndarray, labels: np.ndarray) -> Path:
    path = store.paths.run(run_id).predictions
    np.savez_compressed(path, probabilities=probabilities.astype(np.float16), labels=labels)
    return path


def intervals(store: Store, plan: Plan, kind: Metric = ACCURACY, seeds: int = 3) -> Images:
    records = store.records(run.id for run in plan.runs)
    return new_images(store, plan, records, [PAIR], metric="test_accuracy", kind=kind, seeds=seeds)


def test_the_interval_is_that_of_which_images_each_got_right(store: Store, plan: Plan) -> None:
    by_hand = np.zeros((3, 40))
    for seed, (relu, leaky) in enumerate(zip(*RIGHT.values(), strict=True)):
        by_hand[seed, relu:leaky] = 100.0
        by_hand[seed, leaky:relu] = -100.0
    found = intervals(store, plan)
    assert found == Images({PAIR: crossed(by_hand)})
    assert found.intervals[PAIR].mean == pytest.approx(100 * (3 + 4 - 1) / 120)


def test_only_the_seeds_of_the_look_count(store: Store, plan: Plan) -> None:
    assert intervals(store, plan, seeds=2).intervals[PAIR].mean == pytest.approx(100 * (3 + 4) / 80)
    assert intervals(store, plan, seeds=1) == Images({})


def test_a_seed_that_one_of_both_did_not_complete_does_not_count(store: Store, plan: Plan) -> None:
    last = plan.runs[-1]
    write_run(store, plan, last, [{"epoch": 1, "step": 1, "test_accuracy": 10.0}], state="diverged", error="loss is nan")
    assert intervals(store, plan) == intervals(store, plan, seeds=2)


@pytest.mark.parametrize("damage", ["missing", "torn", "no labels", "of other images", "of another metric"])
def test_unusable_predictions_give_no_interval_and_are_named(store: Store, plan: Plan, damage: str) -> None:
    run = plan.runs[0]
    path = store.paths.run(run.id).predictions
    if damage == "missing":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "no labels":
        np.savez_compressed(path, probabilities=np.eye(10))
    elif damage == "of other images":
        write_predictions(store, run.id, np.eye(10)[LABELS], LABELS[:30])
    else:
        write_predictions(store, run.id, np.eye(10)[LABELS], LABELS)
    found = intervals(store, plan)
    assert found.intervals == {}
    assert found.missing.endswith(f": {run.id}")


def test_runs_of_different_images_give_no_interval(store: Store, plan: Plan) -> None:
    write_predictions(store, plan.runs[0].id, np.eye(10)[LABELS[:20]], np.where(np.arange(20) < 15, LABELS[:20], 11))
    found = intervals(store, plan)
    assert found.intervals == {}
    assert found.missing == "the predictions are for different images"


def test_a_metric_that_counts_no_images_has_no_interval(store: Store, plan: Plan) -> None:
    assert intervals(store, plan, Metric("points", "maximize")) == Images({})


def test_predictions_too_large_for_a_report_are_not_read(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_images_module, "MAX_BYTES", 100)
    found = intervals(store, plan)
    assert found.intervals == {}
    assert found.missing.startswith("predictions of 6 runs, ")
