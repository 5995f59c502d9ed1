"""Folders that look like the root folder of a machine with GPUs: the drivers' files, as this process would see them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROCESSOR = "cpu_cores_count 64\nsimd_count 0\ndrm_render_minor 0\n"
FOREIGN = """#!/bin/sh
echo "$@" >> {log}
{lines}
"""


def nvidia_uuid(number: int) -> str:
    """Of the GPU on the bus with this number."""
    return f"GPU-{number}f3c7a5e-04c1-4d2b-a6f0-1b5a9c8d7e6f"


def nvidia(root: Path, count: int, *, minors: Iterable[int] | None = None, told: bool = True) -> Path:
    """`count` NVIDIA GPUs; device files of `minors` only (default: all). Not `told`: an old driver, without their UUIDs."""
    for number in range(count):
        folder = root / "proc/driver/nvidia/gpus" / f"0000:{number + 1:02x}:00.0"
        folder.mkdir(parents=True)
        uuid = f"GPU UUID: \t {nvidia_uuid(number)}\n" if told else ""
        (folder / "information").write_text(f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 42\n{uuid}Device Minor: \t {number}\n")
    (root / "dev").mkdir(parents=True, exist_ok=True)
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{minor}" for minor in (range(count) if minors is None else minors))):
        (root / "dev" / name).touch()
    return root


def rocm(root: Path, count: int) -> Path:
    """`count` AMD GPUs behind one processor."""
    nodes = root / "sys/class/kfd/kfd/topology/nodes"
    for number in range(count + 1):
        (nodes / str(number)).mkdir(parents=True)
        gpu = f"simd_count 304\nunique_id {0xAB00 + number}\ndrm_render_minor {127 + number}\n"
        (nodes / str(number) / "properties").write_text(gpu if number else PROCESSOR)
    (root / "dev/dri").mkdir(parents=True)
    for name in ("kfd", *(f"dri/renderD{128 + number}" for number in range(count))):
        (root / "dev" / name).touch()
    for number in range(count):
        device = root / f"sys/class/drm/renderD{128 + number}/device"
        device.mkdir(parents=True)
        (device / "product_name").write_text("AMD Instinct MI300X\n")
    return root


def nvidia_smi(folder: Path, lines: Iterable[str]) -> str:
    """A PATH with a program nvidia-smi that lists these processes, and notes how it was called in nvidia-smi.log."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    listed = "\n".join(f"echo '{line}'" for line in lines)
    program.write_text(FOREIGN.format(log=folder / "nvidia-smi.log", lines=listed))
    program.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])
