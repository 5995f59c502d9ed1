"""How training steps are executed: eagerly, compiled, or as a CUDA graph. Chosen by a fixed rule, never by timing.

On a CPU steps are eager: compiling takes half a minute, gains 10 % for the smoke network and nothing for the source's. On
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
from harness.tasks.cifar_resnet.streams import Generator
from harness.tasks.protocol import cache_folder

# Multiply-adds of a run's forward passes from which compiling is worth half a minute: 27 epochs of the source's
# network. By arithmetic (fusion saves a quarter of the bytes that are moved), and not timed on a GPU yet.
COMPILE_FROM = 10**15
NETWORKS = 64  # most networks that one process compiles
CACHE_OF_COMPILER = "TORCHINDUCTOR_CACHE_DIR"
OF_USER = os.environ.get(CACHE_OF_COMPILER)  # before the first optimizer: it loads torch's compiler, which sets its own default
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
    """The network's forward pass (and with it the backward one) and `augment.apply`, compiled at their first call.

    Compiled code is reused for networks of the same shape, in later processes from the cache folder. With `deterministic` no
    kernel is chosen by timing.
    """
    os.environ[CACHE_OF_COMPILER] = OF_USER or str((cache_folder() / "compiled").absolute())
    options: dict[str, str | int | bool | Callable[..., object]] = {"deterministic": deterministic}
    forward = torch.compile(eager_forward, fullgraph=True, dynamic=False, options=options)
    apply = torch.compile(augment.apply, fullgraph=True, dynamic=False, options=options)
    return forward, apply


@contextmanager
def compiling() -> Iterator[None]:
    """During compilation: allow all networks of one worker's runs, and ignore the warning that fp32 does not use TF32."""
    with torch._dynamo.config.patch(recompile_limit=NETWORKS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")
        yield


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, which may be temporary. Libraries report it in different words."""
    text = f"{type(error).__name__}: {error}".lower().replace("outofmemory", "out of memory")
    return "out of memory" in text or "alloc_failed" in text


@contextmanager
def restoring(tensors: Sequence[Tensor], generators: Sequence[Generator]) -> Iterator[None]:
    """Restore tensors (in place) and states of generators at the end."""
    values, states = [tensor.detach().clone() for tensor in tensors], [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def copy_generator(generator: torch.Generator) -> torch.Generator:
    """Another generator in the same state, not registered with a graph."""
    copy = torch.Generator(generator.device)
    copy.set_state(generator.get_state())
    return copy


def record_graph(compute: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """`compute` as a CUDA graph; the call is asynchronous. `compute` must read and write tensors at fixed addresses.

    It is called a few times first, see `restoring`. `generators` give the same numbers as in eager calls. Raises CUDA's errors if
    recording fails; then the generators can no longer be used.
    """
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    try:
        side.wait_stream(current)
        try:
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_STEPS):
                    compute()
        finally:
            current.wait_stream(side)  # also after a failed step, before its effects are undone
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            compute()
    finally:
        torch.cuda.set_stream(current)  # a failed recording does not reset the stream
    return graph.replay
