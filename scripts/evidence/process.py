"""Command -> how it ended. Its output goes to a log; it is stopped after a time, on request, and when this process dies."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 45.0  # for writing checkpoints after SIGTERM; then everything that it has started is killed
POLL_S = 0.5
SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Ended:
    """`code`: the exit code, negative for a signal. `stopped`: on request of this process, by time or by `watch`."""

    code: int
    seconds: float
    stopped: bool


class Runner:
    """Runs one command at a time. `file` names the running one, for the next start after this process was killed."""

    def __init__(self, file: Path, environment: Mapping[str, str], folder: Path) -> None:
        self.file, self.environment, self.folder = file, dict(environment), folder

    def run(self, command: Sequence[str], log: Path, seconds: float, stop: Callable[[], bool]) -> Ended:
        """Run the command for at most `seconds`. `stop`, called twice a second, says whether to end it before.

        Output is appended to `log`. The command is ended by SIGTERM, after a grace by SIGKILL, with all its descendants.
        """
        started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as output:
            print(f"$ {' '.join(command)}", file=output, flush=True)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for this process
                preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has no threads
            )
        self.file.write_text(json.dumps({"pid": process.pid, "started": start_of(process.pid)}))
        stopped = False
        try:
            while process.poll() is None:
                if time.monotonic() - started >= seconds or stop():
                    stopped = True
                    end(process.pid, lambda: process.poll() is not None)
                    break
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                kill_tree(process.pid)
            process.wait()
            self.file.unlink(missing_ok=True)
        return Ended(process.returncode, time.monotonic() - started, stopped)

    def await_earlier(self) -> None:
        """Wait for a command that outlived its parent, which was killed: it still holds the GPU, or writes its checkpoints."""
        try:
            known = json.loads(self.file.read_text())
        except (FileNotFoundError, ValueError):
            return
        pid = known["pid"]
        if known["started"] is not None and start_of(pid) == known["started"]:
            end(pid, lambda: start_of(pid) != known["started"])
        self.file.unlink(missing_ok=True)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process, a child that begins, when its parent dies."""
    LIBC.prctl(SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def end(pid: int, gone: Callable[[], bool]) -> None:
    """SIGTERM, and after the grace SIGKILL to the process and its descendants. Returns once it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while not gone():
        if time.monotonic() > until:
            kill_tree(pid)
            until = time.monotonic() + GRACE_S
        time.sleep(0.05)


def kill_tree(pid: int) -> None:
    """SIGKILL to the process and its descendants, which may have sessions of their own, and may be stopped."""
    for each in (pid, *descendants(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on (Linux)."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: list[int] = []
    left = [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def start_of(pid: int) -> str | None:
    """When the process started, in ticks since boot, which tells it from a later one with its number; None: it has ended."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command: state, parent, ...; empty: there is no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []
