"""torch's settings for precision and determinism, checks of the device, and the memory allocator."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.errors import DeviceError


@contextmanager
def numerics(deterministic: bool) -> Iterator[None]:
    """Full fp32 where fp32 is computed (no TF32), and on CUDA kernels chosen by timing, or deterministic ones.

    Settings of the process, restored at the end.
    """
    before = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    matmul_before = torch.get_float32_matmul_precision()
    with torch.backends.cudnn.flags(enabled=True, benchmark=not deterministic, deterministic=deterministic, allow_tf32=False):
        torch.use_deterministic_algorithms(deterministic)
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            torch.set_float32_matmul_precision(matmul_before)


def require(device: str, precision: str) -> torch.device:
    """The device. Raises DeviceError if this machine lacks it or the precision, or it cannot be used.

    Sets the cuBLAS variable that deterministic runs need, because torch reads it only once, at the first matrix product; it costs
    a few MB and no time.
    """
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            built = "" if torch.version.cuda else f" (torch {torch.__version__} is built without it)"
            raise DeviceError(f"torch finds no CUDA device here{built}; use cpu")
        if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            name = torch.cuda.get_device_name()
            raise DeviceError(f"training.precision bf16 is not supported by {name}; use fp32")
        try:
            torch.zeros((), device=device)
        except RuntimeError as error:  # busy, or broken
            raise DeviceError(f"device cuda cannot be used: {str(error).splitlines()[0]}") from error
    elif device != "cpu":
        raise DeviceError(f"invalid device {device!r}; choose from: cpu, cuda")
    return torch.device(device)


def note_slow_bf16() -> None:
    """Print a note if the processor has to emulate bf16; nothing if this torch cannot say."""
    capabilities = getattr(torch.cpu, "get_capabilities", lambda: {"bf16": True})()
    if not any(present for name, present in capabilities.items() if "bf16" in name):
        print("this processor has no bf16 instructions: training.precision bf16 works, but fp32 may be faster")


def keep_memory() -> None:
    """Let glibc keep freed memory for the next tensor instead of returning it to the system; for runs on the CPU.

    Activations are tens of MB; by default the kernel maps each anew and zeroes it page by page, which takes half of the time
    of a training step (batch 128, 2 cores: the smoke network goes from 420 to 860 samples/s). The price is memory: 10 % more
    for the smoke network, 45 % for the source's (3.6 -> 5.2 GB). Holds for the whole process.
    Other C libraries lack `mallopt` and stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # the parameters' numbers in malloc.h
    mallopt(mmap_max, 0)  # never map a block of its own
    mallopt(trim_threshold, -1)  # never shrink the heap
    mallopt(top_pad, 64 << 20)  # grow it in large steps
