"""Device and size of a run -> how its steps are carried out: kernel by kernel, compiled, as one CUDA graph. By rule, never timed.

On a CPU eager steps are best: compiling takes half a minute, wins a tenth for the smoke network and nothing for the source's. On
CUDA a step of this network is some hundred small kernels, which a graph launches at once; compiling fuses normalisation,
activation and addition, which move most of the bytes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.tasks.cifar_resnet import augment
from harness.tasks.cifar_resnet.model import Masks, Network
from harness.tasks.protocol import cache_folder

# Multiply-adds of a run's forward passes from which compiling is held to be worth half a minute: 27 epochs of the source's
# network. By arithmetic (fusion saves a quarter of the bytes that are moved), and not timed on a GPU yet.
COMPILE_FROM = 10**15
NETWORKS = 64  # that one process compiles, before it is told that something is wrong
WARM_UP_STEPS = 3  # before recording: libraries choose and load their kernels, allocate their workspaces

Forward = Callable[[Network, Tensor, Masks], Tensor]
Augmentation = Callable[..., Tensor]


@dataclass(frozen=True)
class Execution:
    """Whether a run's steps are compiled, and whether they are recorded as a CUDA graph."""

    compiled: bool = False
    graphed: bool = False


def choose(device: torch.device, multiply_adds: Callable[[], int]) -> Execution:
    """For a run whose forward passes come to `multiply_adds()`: the same on every machine with this kind of device."""
    if device.type != "cuda":
        return Execution()
    return Execution(compiled=multiply_adds() >= COMPILE_FROM, graphed=True)


def eager_forward(network: Network, images: Tensor, masks: Masks) -> Tensor:
    return network(images, masks)  # type: ignore[no-any-return]


def compiled(deterministic: bool) -> tuple[Forward, Augmentation]:
    """The network's forward pass (and with it the backward one) and `augment.apply`, compiled when they are first called.

    What was compiled is found again by networks of the same shape, in this process at once and in later ones from the cache
    folder. With `deterministic` no kernel is chosen by timing.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str((cache_folder() / "compiled").absolute()))
    options: dict[str, str | int | bool | Callable[..., object]] = {"deterministic": deterministic}
    forward = torch.compile(eager_forward, fullgraph=True, dynamic=False, options=options)
    apply = torch.compile(augment.apply, fullgraph=True, dynamic=False, options=options)
    return forward, apply


@contextmanager
def compiling() -> Iterator[None]:
    """While functions are compiled: room for all the networks that the runs of one worker may have, and full fp32 is meant."""
    with torch._dynamo.config.patch(recompile_limit=NETWORKS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")
        yield


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in the words of whichever library noticed: which may pass: no reason to do without for good."""
    text = f"{type(error).__name__}: {error}".lower().replace("outofmemory", "out of memory")
    return "out of memory" in text or "alloc_failed" in text


@contextmanager
def undone(tensors: Sequence[Tensor], generators: Sequence[torch.Generator]) -> Iterator[None]:
    """A rehearsal: at the end, values and states are what they were. Tensors keep their places in memory."""
    values, states = [tensor.detach().clone() for tensor in tensors], [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def copy_of(generator: torch.Generator) -> torch.Generator:
    """Another generator in the same state, and part of no graph."""
    copy = torch.Generator(generator.device)
    copy.set_state(generator.get_state())
    return copy


def recorded(compute: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """`compute`, which reads and writes tensors that stay where they are, as a CUDA graph; calling it waits for nothing.

    It is carried out a few times first; see `undone`. Draws from `generators` are new at every call, and those that `compute`
    itself would make. Raises what CUDA raises where it cannot be recorded; the generators are then of no use any more.
    """
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    try:
        side.wait_stream(current)
        try:
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_STEPS):
                    compute()
        finally:
            current.wait_stream(side)  # a step that failed has begun: it is undone after it
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            compute()
    finally:
        torch.cuda.set_stream(current)  # a recording that failed leaves its own stream behind
    return graph.replay
