"""Roofline model: the upper limit of samples per second of a network on a machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.tasks.cifar_resnet import config, model
from harness.tasks.cifar_resnet.outline import outline, totals

COPY_BYTES = {"cpu": 1 << 28, "cuda": 1 << 31}
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows and columns
IMAGES = {"cpu": (32, 256, 16), "cuda": (128, 256, 32)}  # batch, channels, size of what is convolved
REPEATS = 10


@dataclass(frozen=True)
class Machine:
    """Measured: floating-point operations per second of a large matrix product or a large convolution, whichever is faster (on
    some processors the libraries for the two differ twofold); bytes per second of a large copy, read and written."""

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """Lower bound per training sample: operations, and numbers moved."""

    flops: float
    elements: float

    def ceiling(self, machine: Machine, element_bytes: int) -> float:
        """Samples per second with arithmetic and memory both fully used at the same time."""
        return 1 / max(self.flops / machine.flops, self.elements * element_bytes / machine.bandwidth)


def work(settings: config.Model, classes: int, size: int) -> Work:
    """Forward and backward of one image; the backward pass computes two products for each of the forward pass.

    Elements: each convolution reads its input and writes its output; on the way back it reads the output's gradient twice and
    its input once, and writes the input's gradient: three times input and output, everything else fused away. Weights and the
    optimiser are shared by the batch, and left out.
    """
    with torch.device("meta"):
        network = model.build(settings, classes)
    moved = 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        moved += inputs[0].numel() + output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network.eval()(torch.empty(1, 3, size, size, device="meta"))
    return Work(flops=3 * 2 * totals(outline(settings, classes, size))[1], elements=3 * moved)


def measure(device: str, dtype: torch.dtype) -> Machine:
    """The best of some repeats, with the threads that torch uses."""
    side, (batch, channels, size) = MATRIX[device], IMAGES[device]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    images = torch.randn(batch, channels, size, size, device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    source = torch.zeros(COPY_BYTES[device], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    with torch.inference_mode():
        product = 2 * side**3 / best_seconds(lambda: left @ right, device)
        operations = 2 * batch * size**2 * channels**2 * 9
        convolution = operations / best_seconds(lambda: F.conv2d(images, kernel, padding=1), device)
    copied = 2 * source.numel() / best_seconds(lambda: target.copy_(source), device)
    return Machine(max(product, convolution), copied)


def best_seconds(call: Callable[[], object], device: str) -> float:
    call()
    taken = []
    for _ in range(REPEATS):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken)
