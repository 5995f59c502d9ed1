"""Slots of this machine for a command's workers, with leases on their GPUs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.common import choices
from harness.errors import DeviceError, InputError
from harness.execution.machine import foreign
from harness.execution.machine.gpu_leases import VARIABLE, GpuLeases, lease_folder
from harness.execution.machine.gpus import Gpu
from harness.execution.machine.slots import Machine, Size, Slot, equal_shares
from harness.tasks.protocol import Accelerator
from harness.tasks.resources import Resources

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a command asks for: `workers` processes, `share` of them on each GPU. Raises InputError for impossible numbers."""

    workers: choices.Workers = 1
    share: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "workers", choices.check_workers(self.workers))  # the text of a number becomes the number
        if not 1 <= self.share <= choices.MOST_SHARED:
            raise InputError(f"invalid value for --share-gpu: {self.share!r}; expected 1 to {choices.MOST_SHARED}")


ONE = Request()


@contextmanager
def allocated(
    needs: Mapping[str, Resources],
    device: Accelerator,
    request: Request,
    runs: int,
    say: Say,
    *,
    environment: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> Iterator[tuple[Slot, ...]]:
    """Slots for the workers of a command that has so many `runs` to train; their GPUs are its own until the block ends.

    `needs`: label of a variant -> what its runs need. Raises InputError if the request does not fit the machine, DeviceError
    if other commands use its GPUs. Without runs nothing is checked and no GPU is taken.
    """
    if runs == 0:
        yield equal_shares(1 if request.workers == "auto" else request.workers)
        return
    machine = Machine.here(environment, root)
    size = Size.of(needs, device, machine)
    if request.share > 1 and not size.gpus:
        raise InputError(f"--share-gpu {request.share}: the runs train on the CPU; remove --share-gpu")
    count = size.workers(request.workers, runs, machine, request.share)
    held = (
        _take(machine.gpus, size.gpus, request, count, environment=environment, say=say)
        if size.gpus
        else [HeldGpus((), ())] * count
    )
    try:
        processors = size.cpus or max(1, machine.cpus // len(held))
        yield tuple(Slot(processors, each.gpus, each.leases) for each in held)
    finally:
        _close(held)


@dataclass(frozen=True)
class HeldGpus:
    """The GPUs of one worker, and the open files that hold them."""

    gpus: tuple[Gpu, ...]
    leases: tuple[int, ...]


def _take(
    gpus: Sequence[Gpu], size: int, request: Request, count: int, *, environment: Mapping[str, str], say: Say
) -> list[HeldGpus]:
    """GPUs for `count` workers, or with `auto` for fewer. Raises DeviceError if too few are free."""
    folder = lease_folder(environment)
    computing = foreign.processes(environment)  # before the lock: it takes a while
    try:
        leases = GpuLeases(folder)
        with _one_at_a_time(folder):
            busy = {gpu: computing[gpu.identity] for gpu in gpus if gpu.identity in computing}
            for gpu in leases.holders(busy):
                del busy[gpu]  # what computes on a GPU that is leased is the work of a harness command
            held = _held(leases, [gpu for gpu in gpus if gpu not in busy], size, request.share, count)
            if len(held) < (count if request.workers != "auto" else 1):
                _close(held)
                held = _held(leases, sorted(gpus, key=lambda gpu: gpu in busy), size, request.share, count)
    except OSError as error:
        say(
            f"{folder}: no leases on GPUs: {error.strerror}; another command may use the same GPUs; set ${VARIABLE} to a folder "
            "that all users of this machine can write to"
        )
        groups = [HeldGpus(tuple(gpus[start : start + size]), ()) for start in range(0, len(gpus) - size + 1, size)]
        return (groups * request.share)[:count]
    if len(held) < (count if request.workers != "auto" else 1):
        _close(held)
        raise DeviceError(_in_use(leases.holders(gpus), len(held), size, request))
    for gpu in dict.fromkeys(gpu for each in held for gpu in each.gpus if gpu in busy):
        say(f"GPU {gpu.name} is also used by {', '.join(map(str, busy[gpu]))}; too few other GPUs are free")
    return held


def _held(leases: GpuLeases, gpus: Sequence[Gpu], size: int, share: int, count: int) -> list[HeldGpus]:
    """At most `count`, in the order of `gpus`: one on each group of `size` GPUs, then a second one, up to `share` on each."""
    held: list[HeldGpus] = []
    for _ in range(share):
        group: list[HeldGpus] = []
        for gpu in gpus:
            if len(held) == count:
                break
            place = leases.share(gpu, share) if share > 1 else leases.take(gpu)
            if place is not None:
                group.append(HeldGpus((gpu,), place if isinstance(place, tuple) else (place,)))
            if len(group) == size:
                held.append(HeldGpus(tuple(one.gpus[0] for one in group), tuple(file for one in group for file in one.leases)))
                group = []
        _close(group)
    return held


def _close(held: Sequence[HeldGpus]) -> None:
    for file in {file for each in held for file in each.leases}:
        os.close(file)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two commands that start together would each take a part of what both need."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _in_use(holders: Mapping[Gpu, Sequence[str]], free: int, size: int, request: Request) -> str:
    """The error when other commands use too many GPUs: who uses which, what is free, what to do."""
    users = "; ".join(f"GPU {gpu.name} by {', '.join(each)}" for gpu, each in holders.items())
    whose = f" ({users})" if users else ""
    fit = f"{free} worker{' fits' if free == 1 else 's fit'}" if free else "no worker fits"
    advice = f"use --workers {free} or auto, or wait until they have finished" if free else "wait until they have finished"
    gpus = f"{size} GPU{'' if size == 1 else 's'} for each run"
    return f"--workers {request.workers}: other commands use GPUs of this machine{whose}, so {fit}, with {gpus}; {advice}"
