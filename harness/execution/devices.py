"""Where runs train: the value of --device -> accelerator, by the GPUs that this process may use. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from harness.common.choices import Device, check_choice
from harness.errors import DeviceError
from harness.execution.machine.gpus import visible_gpus
from harness.tasks.protocol import Accelerator
from harness.tasks.resources import Resources


def resolve_device(device: Device, gpus: int | None = None) -> Accelerator:
    """`auto` is cuda if a GPU is visible. Raises InputError for an unknown device, DeviceError for cuda without a GPU."""
    check_choice("--device", device, get_args(Device))
    present = len(visible_gpus()) if gpus is None else gpus
    if device == "cuda" and present == 0:
        raise DeviceError(
            "--device cuda: no GPU is visible (no NVIDIA or AMD driver, or a variable such as CUDA_VISIBLE_DEVICES hides it); "
            "allowed here: cpu, auto"
        )
    if device == "auto":
        return "cuda" if present else "cpu"
    return device


def check_requested_gpus(device: Device, resolved: Accelerator, needs: Mapping[str, Resources]) -> None:
    """Raises DeviceError if runs request GPUs and `auto` became cpu: training on the CPU must be meant."""
    for label, need in needs.items():
        if device == "auto" and resolved == "cpu" and need.gpus:
            whose = f" of variant {label!r}" if label else ""
            raise DeviceError(
                f"resources.gpus: {need.gpus}{whose}: no GPU is visible here; train on the CPU with --device cpu, or on a "
                "cluster with harness submit"
            )
