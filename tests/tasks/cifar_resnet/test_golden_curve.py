"""A short training on real images against a stored curve: the recipe has not changed by accident.

Made again with `python tests/tasks/cifar_resnet/test_golden_curve.py`, when the recipe was changed on purpose (which takes a new version of
the task as well). The bits differ between CPUs and builds of torch, in the fifth digit; hence the tolerance, which every
knob tried below exceeds.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.tasks.cifar_resnet import data
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.loop import Run

GOLDEN = Path(__file__).parent / "golden" / "curve.json"
COMPARED = ("learning_rate", "train_loss", "test_loss")
TOLERANCE = 2e-4
SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"dataset": "cifar10_mini", "train_limit": 160},
    "model": {"stem_width": 4, "widths": (4, 8), "depths": (1, 1)},
    "training": {"epochs": 2, "batch_size": 16, "precision": "fp32"},
}


def curve(images: data.DataSet, changed: Mapping[str, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Two epochs of ten steps with seed 0 on one thread."""
    changed = changed or {}
    blocks = SETTINGS.keys() | changed.keys()
    settings = Config.model_validate({block: {**SETTINGS.get(block, {}), **changed.get(block, {})} for block in blocks})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training = Run(settings, 0, "cpu", images)
        rows = [training.advance(lambda: False) for _ in range(2)]
    finally:
        torch.set_num_threads(threads)
    return [{name: row[name] for name in COMPARED} for row in rows if row is not None]


@pytest.fixture(scope="module")
def images() -> Iterator[data.DataSet]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", folder)
        yield data.load(Config.model_validate(SETTINGS).data)


def test_the_curve_is_the_stored_one(images: data.DataSet):
    found, stored = curve(images), json.loads(GOLDEN.read_text())
    assert len(found) == len(stored)
    for row, expected in zip(found, stored, strict=True):
        assert row == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": {"name": "sgd", "lr": 0.051}},
        {"optimizer": {"name": "sgd", "weight_decay": 0.01}},
        {"optimizer": {"name": "sgd", "nesterov": True}},
        {"optimizer": {"name": "sgd", "lookahead": None}},
        {"training": {"label_smoothing": 0.15}},
        {"model": {"dropout": 0.21}},
        {"model": {"negative_slope": 0.02}},
        {"augment": {"hue": 0.2}},
        {"augment": {"erasing": None}},
    ],
    ids=str,
)
def test_a_changed_recipe_would_be_noticed(images: data.DataSet, changed: dict[str, dict[str, Any]]):
    stored = json.loads(GOLDEN.read_text())
    assert any(row != pytest.approx(kept, rel=TOLERANCE) for row, kept in zip(curve(images, changed), stored, strict=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HARNESS_CACHE"] = cache
        GOLDEN.write_text(json.dumps(curve(data.load(Config.model_validate(SETTINGS).data)), indent=2) + "\n")
