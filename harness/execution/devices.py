"""Which GPUs and how many processors this process may use, found without torch."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from harness.common.choices import Device, check_choice
from harness.errors import DeviceError
from harness.tasks.protocol import Accelerator


def gpu_names(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> tuple[str, ...]:
    """Valid entries of CUDA_VISIBLE_DEVICES, in order: those it has, else the driver's devices by number."""
    present = len(list((root / "proc/driver/nvidia/gpus").glob("*")))
    if present == 0:
        present = sum(1 for path in (root / "dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))
    if present == 0:
        return ()
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(str(number) for number in range(present))
    names: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        if not name or name.startswith("-") or (name.isdigit() and int(name) >= present):
            break  # as CUDA does: an invalid entry hides those after it
        names.append(name)
    return tuple(names)


def visible_gpus() -> int:
    """How many GPUs this process may use."""
    return len(gpu_names())


def resolve_device(device: Device, gpus: int | None = None) -> Accelerator:
    """`auto` is cuda if a GPU is visible. Raises InputError for an unknown device, DeviceError for cuda without a GPU."""
    check_choice("--device", device, get_args(Device))
    present = visible_gpus() if gpus is None else gpus
    if device == "cuda" and present == 0:
        raise DeviceError(
            "--device cuda: no GPU is visible (no NVIDIA driver, or CUDA_VISIBLE_DEVICES hides it); allowed here: cpu, auto"
        )
    if device == "auto":
        return "cuda" if present else "cpu"
    return device


def cpus() -> int:
    """How many processors this process may use: its affinity mask, and its control group's quota."""
    count = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        allowed, period = quota.read_text().split()
        if allowed != "max":
            count = min(count, math.ceil(int(allowed) / int(period)))
    return max(1, count)
