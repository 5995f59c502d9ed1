"""Command -> how it ended. Its output goes to a log; it is stopped after a time, on request, and when this process dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 45.0  # for writing checkpoints after SIGTERM; then everything that was started is killed
POLL_S = 0.5
SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
MARK = "GPU_EVIDENCE_FOLDER"  # a variable by which processes are found whose parents have died


@dataclass(frozen=True)
class Ended:
    """`code`: the exit code, negative for a signal. `stopped`: by this process, after its time or when it was stopped itself."""

    code: int
    seconds: float
    stopped: bool


class Runner:
    """Runs one command at a time in `folder`, which marks its processes and their descendants."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, {**environment, MARK: str(folder)}

    def run(self, command: Sequence[str], log: Path, seconds: float, stop: Callable[[], bool]) -> Ended:
        """Run the command for at most `seconds`. `stop`, called twice a second, says whether to end it before.

        Output is appended to `log`. The command is ended by SIGTERM; after a grace, what is left of it is killed.
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
        stopped = False
        try:
            while process.poll() is None and not stopped:
                stopped = time.monotonic() - started >= seconds or stop()
                if not stopped:
                    time.sleep(POLL_S)
            if stopped:
                process.terminate()
                _wait(lambda: process.poll() is not None)
                self.end_all()
        finally:
            if process.poll() is None:
                send(signal.SIGKILL, self.processes())
            process.wait()
        return Ended(process.returncode, time.monotonic() - started, stopped)

    def end_all(self) -> None:
        """End what outlived its command, or an earlier program that was killed: it may hold the GPU, or write checkpoints."""
        send(signal.SIGTERM, self.processes())
        _wait(lambda: not self.processes())
        send(signal.SIGKILL, self.processes())

    def processes(self) -> list[int]:
        """The living processes that were started in this folder, whoever their parent is now."""
        wanted = f"{MARK}={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it has ended, or it is another user's
                if wanted in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found


def _wait(over: Callable[[], bool]) -> None:
    """Until it is over, or for the grace."""
    until = time.monotonic() + GRACE_S
    while not over() and time.monotonic() < until:
        time.sleep(0.1)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process, a child that begins, when its parent dies."""
    LIBC.prctl(SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """The signal to each process that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_tree(pid: int) -> None:
    """SIGKILL to the process and its descendants, which may have sessions of their own."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])  # after the command: state, parent
            children.setdefault(parent, []).append(int(path.parent.name))
    tree, left = [pid], [pid]
    while left:
        below = children.get(left.pop(), [])
        tree += below
        left += below
    send(signal.SIGKILL, tree)
