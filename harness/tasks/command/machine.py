"""The machine on which a program starts: its name, a free port, and the GPUs that the program may use."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from types import TracebackType

from harness.errors import DeviceError
from harness.tasks.resources import Resources

PORTS = range(20_000, 32_768)  # Linux takes those above for connections that programs make
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}  # ROCm may take an empty value for a missing one
VISIBLE = tuple(NO_GPU)


def host_name(environment: Mapping[str, str] = os.environ) -> str:
    """The name by which other nodes of a SLURM job reach this one; elsewhere the machine's own name."""
    return environment.get("SLURMD_NODENAME") or socket.gethostname()


class Port:
    """A free TCP port of this machine. Until it is closed, no other process of the harness chooses it.

    The port itself stays free for the program. What marks it as chosen is a socket in Linux's abstract namespace: it lies in no
    folder, belongs to the same network namespace as the port, and ends with this process.
    """

    def __init__(self) -> None:
        """Raises DeviceError if no port is free."""
        first = random.randrange(len(PORTS))
        for number in (*PORTS[first:], *PORTS[:first]):
            mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                mark.bind(f"\0ablation-harness-port-{number}")
                if _is_free(number):
                    self.number, self._mark = number, mark
                    return
            except OSError:  # chosen by another process
                pass
            mark.close()
        raise DeviceError(f"{{port}}: no TCP port from {PORTS[0]} to {PORTS[-1]} is free on this machine")

    def close(self) -> None:
        """Let others choose it."""
        self._mark.close()

    def __enter__(self) -> Port:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def gpu_variables(device: str, resources: Resources, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that show a program as many GPUs as its run requests, the first ones of its worker.

    Empty if it requests no number: then it sees those of the worker. A run on the CPU sees none.
    """
    if device == "cpu":
        return dict(NO_GPU)
    if resources.gpus is None:
        return {}
    given = {name: _names(environment[name])[: resources.gpus] for name in VISIBLE if name in environment}
    every = {VISIBLE[0]: [str(number) for number in range(resources.gpus)]}  # without variables all GPUs are visible
    return {name: ",".join(own) for name, own in (given or every).items()}


def check_gpus(device: str, resources: Resources, environment: Mapping[str, str]) -> None:
    """Raises DeviceError if a program in this `environment` would see fewer GPUs than its run requests."""
    if device == "cpu" or resources.gpus is None:
        return
    for name in (name for name in VISIBLE if name in environment):
        if (seen := len(_names(environment[name]))) < resources.gpus:
            count = f"{resources.gpus} GPU{'s' if resources.gpus > 1 else ''}"
            raise DeviceError(f"the run requests {count}, but its worker has {seen}: {name}={environment[name]!r}")


def _names(visible: str) -> list[str]:
    return [name for name in (part.strip() for part in visible.split(",")) if name]


def _is_free(number: int) -> bool:
    """Whether a program can listen on the port, at every address of the machine."""
    families = [socket.AF_INET, *([socket.AF_INET6] if socket.has_dualstack_ipv6() else [])]
    try:
        for family in families:
            with socket.socket(family, socket.SOCK_STREAM) as one:
                one.bind(("", number))
    except OSError:
        return False
    return True
