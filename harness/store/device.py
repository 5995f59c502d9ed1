"""The model of the processor or GPU that a run uses, for provenance.json."""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path

UNKNOWN_GPU = "cuda"  # device name of a GPU whose model could not be determined


def device_name(device: str, gpus: Path = Path("/proc/driver/nvidia/gpus"), renderers: Path = Path("/sys/class/drm")) -> str:
    """The model of the processor, or of the accelerator that this process uses; `cuda` if it is not known (yet).

    The drivers (NVIDIA's `gpus`, AMD's `renderers`) list all GPUs of the machine, not only the visible ones: if they are of
    several models, only torch can tell which one is used, after CUDA was initialized.
    """
    if device == "cuda":
        models = {_field(path, "Model") for path in gpus.glob("*/information")}
        models = models or {_product(path) for path in renderers.glob("renderD*/device/product_name")}
        if len(models) == 1 and (model := models.pop()) is not None:
            return model
        torch = sys.modules.get("torch")
        return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_initialized() else UNKNOWN_GPU
    return _processor()


@cache
def _processor() -> str:
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _product(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:  # this GPU does not tell it
        return None


def _field(path: Path, name: str) -> str | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # no such file on this kind of machine: the caller has a default
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
