"""A command -> a process in a session of its own, its output as it comes, and how it ended.

Between it and the worker stands guard.py: it ends the program, with all that came from it, when the worker asks and when the
worker dies, however suddenly.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.tasks.protocol import TrainingFailed

GUARD = Path(__file__).resolve().with_name("guard.py")
GRACE_S = 10.0  # between SIGTERM and SIGKILL
CHUNK = 1 << 16
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Exit:
    """How a program ended: `code` below zero is a signal; `left_behind` counts processes that it left running."""

    code: int
    left_behind: int


class RunningProgram:
    """A program that runs; everything it prints has to be read, or it waits."""

    def __init__(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], grace_s: float = GRACE_S
    ) -> None:
        """Start it. $HARNESS_METRICS is added to its environment."""
        self.grace_s = grace_s
        self.exit: Exit | None = None
        # On a local disk, as the program's appends are looked for many times a second.
        self._scratch = Path(tempfile.mkdtemp(prefix="harness-program-"))
        self._metrics = (self._scratch / METRICS).open("w+b")
        self._output, writing = os.pipe()
        self._output_closed = False
        self._status, telling = os.pipe()
        guard = [sys.executable, "-I", "-S", str(GUARD), str(grace_s), str(telling), str(self._scratch)]
        try:
            self._guard = subprocess.Popen(
                [*guard, *arguments],
                cwd=directory,
                env={**environment, "HARNESS_METRICS": str(self._scratch / METRICS)},
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                pass_fds=(telling,),
                start_new_session=True,
            )
        except OSError as error:
            self._forget()
            raise TrainingFailed("exit", f"{arguments[0]}: could not be started: {error.strerror or error}") from error
        finally:
            os.close(writing)
            os.close(telling)

    def read(self, wait_s: float) -> bytes | None:
        """What it has printed since; empty where nothing came within `wait_s`, None when it has ended and all was read.

        A program may close its output and go on, as `exec > own.log 2>&1` in a shell script does.
        """
        if not self._output_closed:
            ready, _, _ = select.select([self._output], [], [], wait_s)
            if not ready:
                return b""
            if data := os.read(self._output, CHUNK):
                return data
            self._output_closed = True
        ended, _, _ = select.select([self._status], [], [], wait_s)
        return None if ended else b""

    def metrics(self) -> bytes:
        """What it has appended to $HARNESS_METRICS since."""
        return self._metrics.read()

    def wait(self, wait_s: float) -> Exit:
        """How it ended, once `read` has nothing more. Raises TrainingFailed where it could not be started, or none can tell."""
        if self.exit is None:
            words = self._told(wait_s).split()
            if words[:1] == ["error"]:
                raise TrainingFailed("exit", f"the program could not be started: {os.strerror(int(words[1]))}")
            if words[:1] != ["ended"]:
                raise TrainingFailed("killed", "the process that watches over the program was killed, and the program with it")
            self.exit = Exit(int(words[1]), int(words[2]))
        return self.exit

    def end(self, take: Callable[[bytes, bytes], object]) -> None:
        """Ask it to end, then make it; `take` gets what it prints and appends until then. Nothing of it is left afterwards."""
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()  # its life line
        try:
            deadline = time.monotonic() + self.grace_s + 10.0
            while time.monotonic() < deadline and (data := self.read(0.1)) is not None:
                take(data, self.metrics())
            take(b"", self.metrics())
            self._guard.wait(max(0.0, deadline - time.monotonic()))
            with suppress(TrainingFailed):  # none can tell
                self.wait(0.0)
        except subprocess.TimeoutExpired:
            print("the program could not be ended in time; its guard is killed", file=sys.stderr)
        finally:
            if self._guard.poll() is None:
                # The kernel kills the program with its guard.
                with suppress(ProcessLookupError):
                    os.kill(self._guard.pid, signal.SIGKILL)
                self._guard.wait()
            self._forget()

    def _told(self, wait_s: float) -> str:
        ready, _, _ = select.select([self._status], [], [], wait_s)
        return os.read(self._status, 100).decode() if ready else ""

    def _forget(self) -> None:
        for descriptor in (self._output, self._status):
            with suppress(OSError):  # closed before
                os.close(descriptor)
        self._metrics.close()
        for file in self._scratch.glob("*"):
            file.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # the guard was quicker
            self._scratch.rmdir()
