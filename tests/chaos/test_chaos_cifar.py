"""A network killed within epochs gives the same bits as an undisturbed one."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from bits import bits
from monkey import QUICK, Machine, Monkey

from harness import worker
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store import checkpoint
from harness.store.records import Store

KILLS = 4
EXPERIMENT = """
question: Which network survives?
config:
  data: {dataset: cifar10_mini, train_limit: 320}
  model: {stem_width: 4, widths: [4, 8], depths: [1, 1], dropout: 0.2}
  training: {epochs: 3, batch_size: 8, precision: fp32, evaluate_train_every: 2}
variants: {sgd: {}, adamw: {optimizer.name: adamw}}
baseline: sgd
seeds: 1
"""


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    path = tmp_path / "networks.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def reference(networks: Path, tmp_path: Path) -> dict[str, Any]:
    """The bits of each undisturbed run, with one thread."""
    threads = torch.get_num_threads()
    store = Store.open(tmp_path / "reference")
    plan = make_plan(load_experiment(networks), "cpu")
    assert worker.main([str(store.save_plan(plan)), "--threads", "1"]) == 0
    torch.set_num_threads(threads)
    return bits(store, [run.id for run in plan.runs])


def place(store: Store, run_id: str) -> tuple[int, int] | None:
    """Epochs and steps in the checkpoint of the run."""
    try:
        training = checkpoint.unpack(store.paths.run(run_id).checkpoint.read_bytes())["training"]
    except FileNotFoundError:
        return None
    return training["epoch"], training["inside"]["step"] if training["inside"] else 0


@pytest.mark.slow
def test_networks_killed_inside_epochs_come_to_the_same_bits(networks: Path, reference: dict[str, Any], tmp_path: Path) -> None:
    options = [f"--worker-option={option}" for option in (*QUICK, "--threads=1")]
    folder = tmp_path / "results"
    command = [
        sys.executable,
        "-m",
        "harness.run",
        str(networks),
        "--results",
        str(folder),
        "--workers",
        "2",
        "--device",
        "cpu",
        *options,
    ]
    machine = Machine(command, tmp_path / "log")
    monkey = Monkey(folder, [machine], 0, None)
    delay, places = random.Random(0), set()
    try:
        machine.start()
        while monkey.kills < KILLS and not monkey.all_ended():
            before = {run_id: place(monkey.store, run_id) for run_id in reference}
            # Three deaths in a row without progress would make the run fail.
            while all(place(monkey.store, run_id) in (None, at) for run_id, at in before.items()) and not monkey.all_ended():
                machine.keep_going()
                time.sleep(0.01)
            time.sleep(delay.uniform(0.0, 0.1))
            monkey.kill_parent() if monkey.kills == 1 else monkey.kill_worker()
            places |= {place(monkey.store, run_id) for run_id in reference}
        assert monkey.finish_training() == 0
    finally:
        monkey.stop()
    assert monkey.kills >= 3
    assert any(at is not None and at[1] > 0 for at in places)
    assert bits(monkey.store, list(reference)) == reference
