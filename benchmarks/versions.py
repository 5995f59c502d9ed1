"""The sides of throughput.py: the plain loop, the harness, and versions in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from plain_loop import PlainLoop
from torch import Tensor, nn

from harness.tasks.cifar_resnet import augment, data, model
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.data import DataSet
from harness.tasks.cifar_resnet.execution import Execution
from harness.tasks.cifar_resnet.loop import Run, peak_memory
from harness.tasks.cifar_resnet.numerics import keep_memory, numerics
from harness.tasks.cifar_resnet.task import data_on
from harness.tasks.registry import find_task

OF_WORKERS = {"GOMP_SPINCOUNT": "10000"}  # as harness.execution.process sets it before torch is loaded


class Loop(Protocol):
    """A timed training loop: seconds of training steps, and of evaluating all test images."""

    def train(self, steps: int) -> float: ...

    def evaluate(self) -> float: ...

    def peak_memory(self) -> int: ...


@dataclass(frozen=True)
class Version:
    """`make` a loop from configuration, device and number of loader workers; `devices` on which it is relevant.

    `environment`: what is set when its process starts.
    """

    make: Callable[[Config, str, int], Loop]
    devices: tuple[str, ...] = ("cpu", "cuda")
    environment: Mapping[str, str] = field(default_factory=dict)


class Batched(PlainLoop):
    """The plain loop with the images on the device, and augmented there batch by batch."""

    def __init__(
        self,
        config: Config,
        images: DataSet,
        device: str,
        *,
        channels_last: bool = False,
        kept: bool = False,
        bf16: bool = False,
    ) -> None:
        super().__init__(config, images, device, workers=0)
        if kept:
            keep_memory()
        self.config, self.images = config, data_on(config.data, device)
        self.order = torch.Generator(device).manual_seed(0)
        self.autocast = torch.autocast(device, torch.bfloat16, enabled=bf16)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.format)  # type: ignore[call-overload]

    def train(self, steps: int) -> float:
        started = time.perf_counter()
        images, batch = self.images, self.config.training.batch_size
        self.network.train()
        for _ in range(steps):
            chosen = torch.randint(len(images.train.labels), (batch,), generator=self.order, device=self.device)
            drawn = augment.draw(self.config.augment, batch, self.config.data.image_size, self.order)
            pixels = augment.apply(images.train.pixels[chosen], drawn, self.config.augment, images.mean, images.std)
            self.sgd.zero_grad()
            with self.autocast:
                outputs = self.network(pixels.contiguous(memory_format=self.format))
            loss = self.loss(outputs.float(), images.train.labels[chosen])
            loss.backward()
            self.optimizer.step()
            self.total += loss.detach()
        return self._since(started)

    @torch.no_grad()
    def evaluate(self) -> float:
        started = time.perf_counter()
        images, test = self.images, self.images.test
        self.network.eval()
        right = torch.zeros((), device=self.device)
        for pixels, labels in zip(test.pixels.split(256), test.labels.split(256), strict=True):
            with self.autocast:
                inputs = augment.normalise(pixels, images.mean, images.std).contiguous(memory_format=self.format)
                right += (self.network(inputs).argmax(dim=1) == labels).sum()
        return self._since(started)


class Convolutions:
    """The convolutions of a step on the CPU and nothing else: the limit of every step that uses these kernels.

    Their inputs and gradients are allocated once, in channels_last order; the images need no gradient.
    """

    def __init__(self, config: Config, kind: torch.dtype) -> None:
        keep_memory()
        self.forward: list[Callable[[], object]] = []
        self.backward: list[Callable[[], object]] = []
        self.batch, size = config.training.batch_size, config.data.image_size
        self.test_images = data.facts(config.data).test_count

        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            assert isinstance(module, nn.Conv2d)
            shapes = (self.batch, *inputs[0].shape[1:]), tuple(module.weight.shape), (self.batch, *output.shape[1:])
            image, weight, gradient = (torch.randn(shape).to(dtype=kind, memory_format=torch.channels_last) for shape in shapes)
            how = (module.stride, module.padding, module.dilation)
            wanted = [bool(self.backward), True, False]  # gradients of input, weight and bias
            backward = torch.ops.aten.convolution_backward
            self.forward.append(lambda: torch.conv2d(image, weight, None, *how))
            self.backward.append(lambda: backward(gradient, image, weight, None, *how, False, (0, 0), 1, wanted))

        with torch.device("meta"):
            network = model.build(config.model, classes=10).eval()
            images = torch.empty(1, 3, size, size)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(add)
        with torch.no_grad():
            network(images)

    def train(self, steps: int) -> float:
        return sum(seconds(self.forward) + seconds(self.backward) for _ in range(steps))

    def evaluate(self) -> float:
        return seconds(self.forward) * self.test_images / self.batch

    def peak_memory(self) -> int:
        return peak_memory(torch.device("cpu"))


@torch.inference_mode()
def seconds(calls: Sequence[Callable[[], object]]) -> float:
    started = time.perf_counter()
    for call in calls:
        call()
    return time.perf_counter() - started


class Harness:
    """The harness, as its workers use it: `start`, and `advance` with a stop query after each step."""

    def __init__(self, config: Config, device: str, how: Execution | None, training: Mapping[str, str]) -> None:
        config = Config.model_validate({**config.model_dump(), "training": {**config.training.model_dump(), **training}})
        if how is None:
            run = find_task("cifar_resnet").start(config, 0, device)
        else:
            run = Run(config, 0, device, data_on(config.data, device), how)
        assert isinstance(run, Run)
        self.run = run

    def train(self, steps: int) -> float:
        seconds, left = 0.0, steps
        while left:
            done = self.run.inside.step if self.run.inside else 0
            if done == self.run.steps_per_epoch:
                self.run.advance(lambda: False)  # evaluates, which is timed separately
                done = 0
            turn = min(left, self.run.steps_per_epoch - done)
            answers = iter([False] * (turn - 1) + [True])
            started = time.perf_counter()
            self.run.advance(answers.__next__)
            seconds += time.perf_counter() - started
            left -= turn
        return seconds

    def evaluate(self) -> float:
        started = time.perf_counter()
        with numerics(deterministic=False):
            self.run.score(self.run.data.test)
        return time.perf_counter() - started

    def peak_memory(self) -> int:
        return peak_memory(self.run.device)


def plain() -> Version:
    return Version(lambda config, device, workers: PlainLoop(config, data.load(config.data), device, workers))


def batched(**ideas: bool) -> Version:
    return Version(lambda config, device, _: Batched(config, data.load(config.data), device, **ideas))


def harness(how: Execution | None = None, **training: str) -> Version:
    """With these values of `training` in its configuration."""
    return Version(lambda config, device, _: Harness(config, device, how, training), environment=OF_WORKERS)


def convolutions(bf16: bool = False) -> Version:
    kind = torch.bfloat16 if bf16 else torch.float32
    return Version(lambda config, _device, _workers: Convolutions(config, kind), ("cpu",), OF_WORKERS)


PLAIN, HARNESS = "plain loop", "the harness"
VERSIONS: Mapping[str, Version] = {
    PLAIN: plain(),
    "plain loop, threads sleep soon": replace(plain(), devices=("cpu",), environment=OF_WORKERS),
    "augmented a batch at a time": batched(),
    "and in channels_last order": batched(channels_last=True),
    "and freed memory kept": replace(batched(channels_last=True, kept=True), devices=("cpu",)),
    "and in bf16": replace(batched(channels_last=True, bf16=True), devices=("cuda",)),
    "the harness, eager": replace(harness(Execution()), devices=("cuda",)),
    "the harness, compiled": harness(Execution(compiled=True)),
    "the harness, recorded as a graph": replace(harness(Execution(graphed=True)), devices=("cuda",)),
    "the harness, compiled and recorded": replace(harness(Execution(compiled=True, graphed=True)), devices=("cuda",)),
    "the harness, threads spin while they wait": replace(harness(), devices=("cpu",), environment={}),
    "the harness, masks from PCG64": replace(harness(dropout_generator="pcg64"), devices=("cpu",)),
    "the harness, in bf16": replace(harness(precision="bf16"), devices=("cpu",)),
    "the harness, in bf16, masks from PCG64": replace(harness(precision="bf16", dropout_generator="pcg64"), devices=("cpu",)),
    "nothing but the convolutions": convolutions(),
    "nothing but the convolutions, in bf16": convolutions(bf16=True),
    HARNESS: harness(),
}


def worker(version: Version, config: Config, device: str, loader_workers: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Prepares this version; the result answers `{"do": "train", "steps": n}`, `{"do": "evaluate"}` and `{"do": "memory"}`."""
    loop = version.make(config, device, loader_workers)
    count = data.facts(config.data).test_count

    def respond(request: Mapping[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "train":
                return {"seconds": loop.train(request["steps"])}
            case "evaluate":
                return {"seconds": loop.evaluate(), "images": count}
            case "memory":
                return {"bytes": loop.peak_memory()}
        raise ValueError(request)

    return respond
