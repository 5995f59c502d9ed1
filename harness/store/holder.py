"""The process that holds a lease -> whether it has certainly ended, as far as this machine can tell."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Holder(BaseModel):
    """The process that trains. `machine` also distinguishes kernels and containers that share a host name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    machine: str  # boot id and PID namespace: process ids are comparable within one
    pid: int
    process_start: str  # clock ticks since boot: distinguishes it from a later process with the same id
    job: str | None = None  # array id and number of restarts, under SLURM
    parent: int | None = None  # the process that started it, such as `harness run`

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
        restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
        return cls(
            host=socket.gethostname(),
            machine=f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}",
            pid=os.getpid(),
            process_start=_process(os.getpid())[1],
            job=f"{job}, requeued {'once' if restarts == '1' else f'{restarts} times'}" if job and restarts != "0" else job,
            parent=os.getppid(),
        )

    def is_dead_here(self, here: Holder) -> bool:
        """Whether this process certainly does not run any more, as observed from `here`. False on another machine."""
        if self.machine != here.machine:
            return False
        state, start = _process(self.pid)
        if state == "":
            return not _exists(self.pid)
        return state in ("Z", "X") or start != self.process_start


def _process(pid: int) -> tuple[str, str]:
    """State letter and start time of a process of this machine; two empty strings if it does not exist."""
    try:
        # The name, in parentheses, may contain spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[19]


def _exists(pid: int) -> bool:
    """Whether the process exists, also where /proc hides processes of other users (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
