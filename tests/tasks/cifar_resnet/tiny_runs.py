"""Runs of a few milliseconds on made-up images, for tests of the loop."""

import io
from collections.abc import Mapping
from typing import Any

import torch

from harness.tasks.cifar_resnet import config
from harness.tasks.cifar_resnet.data import DataSet, Images
from harness.tasks.cifar_resnet.loop import Run

SIZE = 8
COSTS = ["seconds", "samples_per_second", "peak_memory_bytes"]


def never() -> bool:
    return False


def always() -> bool:
    return True


def images(count: int, seed: int) -> Images:
    """Two classes that differ in brightness, with noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 128, (count, 3, SIZE, SIZE), generator=generator) + 100 * labels[:, None, None, None]
    return Images(pixels.to(torch.uint8), labels)


def data_set(train: int = 27, validation: bool = False) -> DataSet:
    return DataSet(
        images(train, 0), images(10, 1) if validation else None, images(14, 2), ("dark", "bright"), (0.5,) * 3, (0.2,) * 3
    )


def settings(**blocks: Mapping[str, Any]) -> config.Config:
    base: dict[str, dict[str, Any]] = {
        "data": {"image_size": SIZE},
        "model": {"stem_width": 4, "widths": (4, 4), "depths": (1, 1), "dropout": 0.2},
        "optimizer": {"name": "sgd"},
        "schedule": {"name": "cosine"},
        "training": {"epochs": 3, "batch_size": 8, "evaluate_train_every": 2, "precision": "fp32"},
    }
    return config.Config.model_validate(
        {key: {**base.get(key, {}), **blocks.get(key, {})} for key in base.keys() | blocks.keys()}
    )


def run(chosen: config.Config | None = None, data: DataSet | None = None, seed: int = 0) -> Run:
    return Run(chosen or settings(), seed, "cpu", data or data_set())


def without_timings(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in COSTS}


def rows(training: Run) -> list[dict[str, Any]]:
    """Train to the end without a stop."""
    found = []
    while not training.finished:
        row = training.advance(never)
        assert row is not None
        found.append(without_timings(row))
    return found


def through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    return torch.load(file, weights_only=True)  # type: ignore[no-any-return]
