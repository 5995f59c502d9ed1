"""How many workers fit a machine, by what each run needs. Pure, but for reading what the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.common import choices
from harness.errors import DeviceError, InputError
from harness.execution.machine.gpus import Gpu, selecting, visible_gpus
from harness.execution.machine.processors import cpus, memory_bytes
from harness.tasks.protocol import Accelerator
from harness.tasks.resources import Resources, largest

CLUSTER = "or train on a cluster with harness submit"


@dataclass(frozen=True)
class Slot:
    """The part of this machine that one worker gets. `leases`: open files that hold its GPUs while the worker has them."""

    cpus: int
    gpus: tuple[Gpu, ...] = ()
    leases: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the worker."""
        return {"OMP_NUM_THREADS": str(self.cpus), **(selecting(self.gpus) if self.gpus else {})}


def equal_shares(count: int, processors: int | None = None) -> tuple[Slot, ...]:
    """So many slots without GPUs that share the processors (default: this machine's) evenly."""
    return (Slot(max(1, (processors or cpus()) // count)),) * count


@dataclass(frozen=True)
class Machine:
    """What this process may use of the machine. `memory`: bytes; None: not known."""

    gpus: tuple[Gpu, ...]
    cpus: int
    memory: int | None

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Machine:
        """This machine; `root` is the folder of its files."""
        return cls(visible_gpus(environment, root), cpus(root), memory_bytes(root))


@dataclass(frozen=True)
class Size:
    """What one worker needs: enough for each variant of the plan. `gpus` is 0 where runs train on the CPU."""

    gpus: int
    cpus: int | None
    memory: int | None

    @classmethod
    def of(cls, needs: Mapping[str, Resources], device: Accelerator, machine: Machine) -> Size:
        """The size of a slot for `needs` (label of a variant -> resources). Raises InputError or DeviceError if none fits."""
        need = largest(needs.values())
        if need.nodes is not None and need.nodes > 1:
            raise InputError(f"{_request(needs, 'nodes')}: this is one machine; request 1 node, {CLUSTER}")
        gpus = 0 if device == "cpu" else 1 if need.gpus is None else need.gpus
        if device == "cuda":
            _check_gpus(needs, gpus, machine)
        if need.cpus is not None and need.cpus > machine.cpus:
            raise InputError(f"{_request(needs, 'cpus')}: {_has(machine.cpus, 'processor')}; request fewer, {CLUSTER}")
        if need.memory_bytes is not None and machine.memory is not None and need.memory_bytes > machine.memory:
            raise InputError(
                f"{_request(needs, 'memory')}: this process may use {machine.memory / 2**30:.1f}G; request less, {CLUSTER}"
            )
        return cls(gpus, need.cpus, need.memory_bytes)

    def limits(self, machine: Machine, share: int) -> Iterator[tuple[int, str]]:
        """For each resource that is divided: how many workers it suffices for, and the reason in words."""
        each = " for each run"
        if self.gpus:
            packed = f", {share} runs on one" if share > 1 else ""
            yield len(machine.gpus) // self.gpus * share, f"{_has(len(machine.gpus), 'GPU')}, {self.gpus}{each}{packed}"
        if self.cpus is not None:
            yield machine.cpus // self.cpus, f"{_has(machine.cpus, 'processor')}, {self.cpus}{each}"
        if self.memory is not None and machine.memory is not None:
            has = f"this process may use {machine.memory / 2**30:.1f}G of memory, {self.memory / 2**30:.1f}G{each}"
            yield machine.memory // self.memory, has

    def workers(self, wanted: choices.Workers, runs: int, machine: Machine, share: int) -> int:
        """The number of workers: as many as requested, or with `auto` as many as fit and have a run. Raises InputError."""
        most, reason = min(self.limits(machine, share), default=(None, ""))
        if wanted == "auto":
            return max(1, min(runs, machine.cpus if most is None else most, choices.MOST_WORKERS))
        if most is not None and wanted > most:
            packing = ", or --share-gpu" if self.gpus and "GPU" in reason else ""
            fit = "1 worker fits" if most == 1 else f"{most} workers fit"
            raise InputError(f"--workers {wanted}: {reason}, so {fit}; use --workers {most} or auto{packing}")
        return wanted


def _check_gpus(needs: Mapping[str, Resources], gpus: int, machine: Machine) -> None:
    if gpus == 0:
        raise InputError("resources.gpus: 0: the runs train on GPUs here; use --device cpu, or request at least 1")
    if not machine.gpus:
        raise DeviceError("no GPU is visible here; use --device cpu")
    if gpus > len(machine.gpus):
        raise InputError(f"{_request(needs, 'gpus')}: {_has(len(machine.gpus), 'GPU')}; request fewer, {CLUSTER}")
    if gpus > 1 and any(gpu.kind == "mig" for gpu in machine.gpus):
        raise InputError(f"{_request(needs, 'gpus')}: CUDA uses one MIG device per process; request 1, or use whole GPUs")


def _request(needs: Mapping[str, Resources], name: str) -> str:
    """`resources.gpus: 2`, with the variant that requests the most, if they differ."""
    values = {label: getattr(need, name) for label, need in needs.items()}
    most = getattr(largest(needs.values()), name)
    label = next(label for label, value in values.items() if value == most)
    whose = f" of variant {label!r}" if len(set(values.values())) > 1 else ""
    return f"resources.{name}: {most}{whose}"


def _has(count: int, what: str) -> str:
    return f"this machine has {count} {what}{'' if count == 1 else 's'}"
