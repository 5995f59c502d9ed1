"""The outline's numbers are the network's own."""

from __future__ import annotations

import pytest

from harness.tasks.cifar_resnet import config, model
from harness.tasks.cifar_resnet.outline import outline
from harness.tasks.cifar_resnet.task import CIFAR_RESNET
from harness.tasks.protocol import Part

SOURCE = outline(config.Model(), 10, 32)


def named(parts: tuple[Part, ...]) -> dict[str, Part]:
    return {part.name: part for part in parts}


def test_the_sources_network_is_stem_three_stages_and_head():
    assert [(part.name, part.shape) for part in SOURCE] == [
        ("images", (3, 32, 32)),
        ("stem", (32, 32, 32)),
        ("stage 1", (256, 32, 32)),
        ("stage 2", (512, 16, 16)),
        ("stage 3", (1024, 8, 8)),
        ("head", (10,)),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        config.Model(),
        config.Model(block="basic", widths=(8, 16), depths=(1, 2), stem_width=4),
        config.Model(activation="prelu", widths=(8, 8), depths=(2, 1)),
    ],
)
def test_parts_sum_to_the_whole(settings: config.Model):
    parts = outline(settings, 10, 32)
    assert sum(part.parameters for part in parts) == model.count_parameters(settings, 10)
    assert sum(part.multiply_adds for part in parts) == model.count_multiply_adds(settings, 10, 32)
    for stage in parts:
        if stage.parts:
            assert sum(block.parameters for block in stage.parts) == stage.parameters
            assert all(sum(part.multiply_adds for part in block.parts) == block.multiply_adds for block in stage.parts)


def test_blocks_tell_their_convolutions_and_shortcut():
    first, second, _ = named(SOURCE)["stage 2"].parts
    assert [(part.name, part.does, part.shape, part.beside) for part in first.parts] == [
        ("conv1", "1×1", (128, 32, 32), False),
        ("conv2", "3×3, stride 2", (128, 16, 16), False),
        ("conv3", "1×1", (512, 16, 16), False),
        ("shortcut", "1×1, stride 2", (512, 16, 16), True),
    ]
    assert [part.name for part in second.parts] == ["conv1", "conv2", "conv3"]


def test_dropout_is_named_where_there_is_some():
    parts = named(outline(config.Model(dropout=(0.0, 0.1, 0.25)), 10, 32))
    assert [parts[f"stage {place}"].does for place in (1, 2, 3)] == [
        "3 × bottleneck",
        "3 × bottleneck, dropout 0.1",
        "3 × bottleneck, dropout 0.25",
    ]


def test_the_task_outlines_its_configurations():
    assert CIFAR_RESNET.has_outline
    assert CIFAR_RESNET.outline(config.Config()) == SOURCE
