"""How many processors and how much memory this process may use: the machine's, and the limits of its control groups."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path


def cpus(root: Path = Path("/")) -> int:
    """Processors: the affinity mask, and the smallest quota of the control groups."""
    count = len(os.sched_getaffinity(0))
    for text in _limits(root, "", "cpu.max"):
        allowed, _, period = text.partition(" ")
        if allowed != "max":
            count = min(count, math.ceil(int(allowed) / int(period)))
    return max(1, count)


def memory_bytes(root: Path = Path("/")) -> int | None:
    """Bytes: the machine's memory, or the smallest limit of the control groups; None: not known."""
    meminfo = re.search(r"^MemTotal: +(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    limits = [int(meminfo[1]) * 1024] if meminfo else []
    limits += [int(text) for text in _limits(root, "", "memory.max") if text != "max"]
    limits += [int(text) for text in _limits(root, "memory", "memory.limit_in_bytes")]
    return min(limits, default=None)


def _limits(root: Path, controller: str, name: str) -> Iterator[str]:
    """The content of a limit's file in the control group of this process and in those above it.

    `controller`: of version 1; empty: version 2.
    """
    top = root / "sys/fs/cgroup" / controller
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            folder = top / path.lstrip("/")
            for place in (folder, *folder.parents):
                if place.is_relative_to(top) and (text := _read(place / name).strip()):
                    yield text
            return
    if text := _read(top / name).strip():
        yield text


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # this machine has no such limit
        return ""
