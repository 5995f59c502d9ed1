"""The GPUs that this process may use, from the drivers' files and the variables that select GPUs. Without torch.

CUDA obeys CUDA_VISIBLE_DEVICES. ROCm obeys ROCR_VISIBLE_DEVICES and, among what that leaves, HIP_VISIBLE_DEVICES, or
CUDA_VISIBLE_DEVICES where that is not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.execution.machine import drivers

CUDA, HIP, ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"


@dataclass(frozen=True)
class Gpu:
    """A GPU or a part of one (MIG). `name` selects it in this process's variables; `uuid` is None if no file tells it."""

    name: str
    kind: Literal["nvidia", "mig", "rocm"] = "nvidia"
    uuid: str | None = None
    model: str | None = None

    @property
    def identity(self) -> str:
        """The same for all names of this GPU, as far as the drivers' files tell."""
        return self.uuid or (f"{self.kind}-{self.name}" if self.name.isdigit() else self.name)


def visible_gpus(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in the order in which programs number them."""
    nvidia = [Gpu(str(number), "nvidia", *facts) for number, facts in enumerate(drivers.nvidia(root))]
    if nvidia:
        return selected(nvidia, environment.get(CUDA))
    rocm = [Gpu(str(number), "rocm", *facts) for number, facts in enumerate(drivers.rocm(root))]
    left = selected(rocm, environment.get(ROCR))
    return selected(
        [replace(gpu, name=str(number)) for number, gpu in enumerate(left)], environment.get(HIP, environment.get(CUDA))
    )


def selected(present: Sequence[Gpu], value: str | None) -> tuple[Gpu, ...]:
    """Those of `present` that a variable selects; not set: all. As the libraries do: an invalid entry hides those after it."""
    if value is None:
        return tuple(present)
    found: dict[str, Gpu] = {}
    for word in value.split(","):
        gpu = _named(word.strip(), present)
        if gpu is None:
            break
        found.setdefault(gpu.identity, gpu)
    return tuple(found.values())


def _named(word: str, present: Sequence[Gpu]) -> Gpu | None:
    """The GPU with a number, a UUID or the beginning of one, or the name of a MIG device; None: invalid, such as NoDevFiles."""
    if not present:
        return None
    if word.isascii() and word.isdigit():
        return present[int(word)] if int(word) < len(present) else None
    if word.startswith("MIG-") and present[0].kind == "nvidia":
        return Gpu(word, "mig", word)
    if not word.startswith("GPU-"):
        return None
    matches = [gpu for gpu in present if gpu.uuid is not None and gpu.uuid.lower().startswith(word.lower())]
    if len(matches) == 1:
        return replace(matches[0], name=word)
    # A GPU without a known UUID may have this one.
    return None if matches or all(gpu.uuid for gpu in present) else Gpu(word, present[0].kind)


def selecting(gpus: Sequence[Gpu]) -> dict[str, str]:
    """The variables with which a child process uses `gpus`, which are visible here, and no others."""
    names = ",".join(gpu.name for gpu in gpus)
    if gpus and gpus[0].kind == "rocm":
        return {HIP: names, CUDA: names}  # some libraries refuse different values
    # Without it CUDA numbers the fastest GPU first; the driver's files are in the order of the bus.
    by_number = any(gpu.name.isdigit() for gpu in gpus)
    return {CUDA: names, **({ORDER: "PCI_BUS_ID"} if by_number else {})}
