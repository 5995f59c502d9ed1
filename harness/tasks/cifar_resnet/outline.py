"""The parts of the network with shapes, parameters and cost, measured by a forward pass on the meta device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.tasks.cifar_resnet import config, model
from harness.tasks.protocol import Part

Shape = tuple[int, ...]


def outline(settings: config.Model, classes: int, size: int) -> tuple[Part, ...]:
    """Images, stem, stages and head, for one image of `size` pixels; stages hold blocks, blocks hold convolutions.

    Multiply-adds are those of convolutions and linear layer, forward; parameters of a part count its batch norms too.
    """
    shapes: dict[str, Shape] = {}

    def note(name: str) -> None:
        def hook(_module: nn.Module, _given: object, out: torch.Tensor) -> None:
            shapes[name] = tuple(out.shape[1:])

        network.get_submodule(name).register_forward_hook(hook)

    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network = model.build(settings, classes).eval()
        for name, _ in network.named_modules():
            if name:
                note(name)
        network(torch.empty(1, 3, size, size))
    cost = {name.partition(".")[2]: sum(counts.values()) // 2 for name, counts in counter.get_flop_counts().items()}
    measured = _Measured(network, shapes, cost)
    rates = model.dropout_rates(settings)
    stages = (measured.stage(index, settings, rates[index]) for index in range(len(settings.widths)))
    images = Part("images", "normalised", (3, size, size), 0, 0)
    stem = measured.part("stem", "stem", f"3×3, batch norm, {settings.activation}")
    return (images, stem, *stages, measured.part("head", "head", "mean over the image, linear"))


class _Measured:
    """A network with the output shape and cost of each module, by name."""

    def __init__(self, network: model.Network, shapes: Mapping[str, Shape], cost: Mapping[str, int]) -> None:
        self.network, self.shapes, self.cost = network, shapes, cost

    def part(self, module: str, name: str, does: str, parts: tuple[Part, ...] = (), beside: bool = False) -> Part:
        own = self.network.get_submodule(module)
        parameters = sum(parameter.numel() for parameter in own.parameters())
        return Part(name, does, self.shapes[module], parameters, self.cost.get(module, 0), beside, parts)

    def stage(self, index: int, settings: config.Model, rate: float) -> Part:
        module = f"stages.{index}"
        blocks = tuple(self.block(f"{module}.{place}", f"block {place + 1}", settings) for place in range(settings.depths[index]))
        dropout = f", dropout {rate:g}" if rate else ""
        return self.part(module, f"stage {index + 1}", f"{len(blocks)} × {settings.block}{dropout}", blocks)

    def block(self, module: str, name: str, settings: config.Model) -> Part:
        """Its convolutions, and the shortcut beside them if it changes the shape."""
        inside = self.network.get_submodule(module)
        parts = [
            self.part(f"{module}.{child}", child, convolution(layer))
            for child, layer in inside.named_children()
            if isinstance(layer, nn.Conv2d)
        ]
        if isinstance(inside.shortcut, model.Shortcut):
            parts.append(self.part(f"{module}.shortcut", "shortcut", convolution(inside.shortcut.conv), beside=True))
        does = f"batch norm after each convolution, {settings.activation} between them and after the sum"
        return self.part(module, name, does, tuple(parts))


def convolution(layer: nn.Conv2d) -> str:
    """`3×3, stride 2`."""
    size, stride = layer.kernel_size[0], layer.stride[0]
    return f"{size}×{size}" + (f", stride {stride}" if stride > 1 else "")
