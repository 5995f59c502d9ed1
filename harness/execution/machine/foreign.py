"""Processes on the GPUs that are not the harness's, as nvidia-smi (NVML) lists them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

ANSWERS_WITHIN_S = 20.0  # a driver without persistence mode starts each GPU first
QUESTION = ("--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader")


@dataclass(frozen=True)
class Process:
    """A process that computes on a GPU. `memory` in the words of nvidia-smi, such as `1024 MiB`."""

    pid: int
    memory: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.memory})" if self.memory[:1].isdigit() else f"process {self.pid}"


def processes(environment: Mapping[str, str] = os.environ) -> Mapping[str, tuple[Process, ...]]:
    """UUID of a GPU -> the processes that compute on it. Empty if nobody computes, or if nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH", os.defpath))
    if program is None:
        return {}
    try:
        answer = subprocess.run(
            [program, *QUESTION], env=dict(environment), capture_output=True, text=True, check=True, timeout=ANSWERS_WITHIN_S
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, list[Process]] = {}
    for line in answer.stdout.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) == 3 and words[1].isdigit():
            found.setdefault(words[0], []).append(Process(int(words[1]), words[2]))
    return {uuid: tuple(each) for uuid, each in found.items()}
