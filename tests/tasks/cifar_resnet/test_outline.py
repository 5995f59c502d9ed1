"""The outline's numbers, which are computed by formula, are those of the network that torch builds."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
import yaml
from conftest import TESTS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.experiment import load_experiment
from harness.tasks.cifar_resnet import config, model
from harness.tasks.cifar_resnet.outline import outline, totals
from harness.tasks.cifar_resnet.task import CIFAR_RESNET
from harness.tasks.protocol import Part

EXPERIMENTS = sorted((TESTS.parent / "experiments").glob("*.yaml"))
PROFILES = {name for path in EXPERIMENTS for name in yaml.safe_load(path.read_text()).get("profiles", {})}
SMOKE = config.Model(stem_width=16, widths=(16, 32, 64), depths=(1, 1, 1))

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


def drawn(generator: random.Random) -> tuple[config.Model, int, int]:
    """A random network, its classes and the size of its images."""
    stages = generator.choice([1, 1, 2, 2, 3, 4])
    block, width = generator.choice(["bottleneck", "basic"]), generator.randint(1, 24)
    settings = config.Model(
        block=block,
        stem_width=generator.choice([width * (4 if block == "bottleneck" else 1), generator.randint(1, 70)]),
        widths=(width, *(generator.randint(1, 24) for _ in range(stages - 1))),
        depths=tuple(generator.randint(1, 3) for _ in range(stages)),
        activation=generator.choice(["relu", "leaky_relu", "gelu", "silu", "prelu"]),
    )
    return settings, generator.randint(1, 120), generator.randint(8, 70)


def compare(settings: config.Model, classes: int, size: int) -> None:
    """Compare every part of the outline with what torch counts in the network on the meta device."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network = model.build(settings, classes).eval()
        for module in network.modules():
            module.register_forward_hook(lambda module, _, out: shapes.update({module: tuple(out.shape[1:])}))
        network(torch.empty(1, 3, size, size))
    flops = {name.partition(".")[2]: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    images, stem, *stages, head = outline(settings, classes, size)
    assert (images.shape, images.parameters, images.multiply_adds) == ((3, size, size), 0, 0)
    placed = {"stem": stem, "head": head, **dict(below(stages))}
    for name, part in placed.items():
        module = network.get_submodule(name)
        assert part.shape == shapes[module], (name, settings)
        assert part.parameters == sum(parameter.numel() for parameter in module.parameters()), (name, settings)
        assert 2 * part.multiply_adds == flops.get(name, 0), (name, settings)
    shortcuts = {name for name, module in network.named_modules() if isinstance(module, model.Shortcut)}
    assert {name for name, part in placed.items() if part.beside} == shortcuts
    convolutions = {name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    assert {name if name in convolutions else f"{name}.conv" for name, part in placed.items() if not part.parts} == (
        convolutions | {"head.conv"}
    )
    everything = sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2
    assert totals(outline(settings, classes, size)) == everything


def below(stages: list[Part]) -> Iterator[tuple[str, Part]]:
    """Stages, blocks and convolutions by the names of their modules."""
    for place, stage in enumerate(stages):
        yield f"stages.{place}", stage
        for number, block in enumerate(stage.parts):
            yield f"stages.{place}.{number}", block
            for part in block.parts:
                yield f"stages.{place}.{number}.{part.name}", part


def shipped() -> set[tuple[config.Model, int]]:
    """The networks of all experiments with all profiles, with the size of their images."""
    read = (load_experiment(path, profile) for path in EXPERIMENTS for profile in (None, *PROFILES))
    return {(each.config.model, each.config.data.image_size) for found in read for each in found.variants}


@pytest.mark.slow
def test_the_networks_of_all_experiments_are_counted_as_torch_counts_them() -> None:
    networks = shipped()
    assert len(networks) > 10
    for settings, size in networks:
        compare(settings, 10, size)


@pytest.mark.parametrize("count", [8, pytest.param(500, marks=pytest.mark.slow)])
def test_random_networks_are_counted_as_torch_counts_them(count: int) -> None:
    generator = random.Random(7)
    compare(config.Model(), 10, 32)
    for _ in range(count):
        compare(*drawn(generator))


def test_the_sources_network_has_its_parameters_and_multiply_adds() -> None:
    assert totals(SOURCE) == (4_903_082, 736_995_328)
    assert totals(outline(SMOKE, 10, 32))[0] == 127_642


def test_outlining_needs_no_torch() -> None:
    code = """
import sys
from harness.tasks.registry import find_task
task = find_task("cifar_resnet")
config = task.Config.model_validate({"data": {"dataset": "cifar10_mini"}})
assert task.describe(config)["parameters"] == sum(part.parameters for part in task.outline(config))
assert not {"torch", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


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
