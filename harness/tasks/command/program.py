"""Runs a program: its process, output and exit.

The program is a child of guard.py, which ends it with all its descendants when the worker requests it or is killed.
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

from harness.common.patience import answered
from harness.common.shared_files import SharedFile
from harness.tasks.command import job_steps
from harness.tasks.protocol import TrainingFailed

GUARD = Path(__file__).resolve().with_name("guard.py")
GRACE_S = 10.0  # between SIGTERM and SIGKILL
CHUNK = 1 << 16
METRICS = "metrics.jsonl"
CASES = "cases.jsonl"


@dataclass(frozen=True)
class Exit:
    """How a program ended. A negative `code` is a signal; `left_behind` counts processes that it left running."""

    code: int
    left_behind: int


class RunningProgram:
    """A running program. Its output must be read, or it blocks."""

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        grace_s: float = GRACE_S,
        cases: Path | None = None,
    ) -> None:
        """Start it. $HARNESS_METRICS and $HARNESS_CASES are added to its environment; `cases`: the latter, if it is kept."""
        self.grace_s, self._environment = grace_s, environment
        self.exit: Exit | None = None
        # On a local disk, because it is read many times a second.
        self._scratch = Path(tempfile.mkdtemp(prefix="harness-program-"))
        self._metrics = (self._scratch / METRICS).open("w+b")
        cases = cases or self._scratch / CASES
        answered(cases, cases.touch, "be written")
        self._cases = SharedFile(cases)
        self._output, writing = os.pipe()
        self._output_closed = False
        self._status, status_writing = os.pipe()
        guard = [sys.executable, "-I", "-S", str(GUARD), str(grace_s), str(status_writing), str(self._scratch)]
        try:
            self._guard = subprocess.Popen(
                [*guard, *arguments],
                cwd=directory,
                env={**environment, "HARNESS_METRICS": str(self._scratch / METRICS), "HARNESS_CASES": str(cases)},
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                pass_fds=(status_writing,),
                start_new_session=True,
            )
        except OSError as error:
            self._release()
            raise TrainingFailed("exit", f"{arguments[0]} could not be started: {error.strerror or error}") from error
        finally:
            os.close(writing)
            os.close(status_writing)

    def read(self, wait_s: float) -> bytes | None:
        """New output; empty if there is none within `wait_s`, None if the program has ended and all output was read.

        A program may close its output and continue, as with `exec > own.log 2>&1` in a shell script.
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
        """New content of $HARNESS_METRICS."""
        return self._metrics.read()

    def cases(self) -> bytes:
        """All of $HARNESS_CASES. Raises OSError, StoreError."""
        self._cases.seek(0)
        return self._cases.readall()

    def wait(self, wait_s: float) -> Exit:
        """The exit, after `read` has returned None. Raises TrainingFailed if it could not be started or the guard was killed."""
        if self.exit is None:
            words = self._read_status(wait_s).split()
            if words[:1] == ["error"]:
                raise TrainingFailed("exit", f"the program could not be started: {os.strerror(int(words[1]))}")
            if words[:1] != ["ended"]:
                raise TrainingFailed("killed", "the guard process of the program was killed, and the program with it")
            self.exit = Exit(int(words[1]), int(words[2]))
        return self.exit

    def end(self, take: Callable[[bytes, bytes], object]) -> None:
        """Terminate it, then kill it; `take` gets the output and metrics until then. No process remains."""
        unfinished = self.exit is None or self.exit.left_behind > 0
        steps = job_steps.running(self._environment) if unfinished else []
        if steps:  # before the guard ends srun, which would not let them write a checkpoint
            job_steps.send("TERM", steps, self._environment)
            self._read_for(self.grace_s, take)
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()  # tells the guard to end the program
        try:
            deadline = time.monotonic() + self.grace_s + 10.0
            self._read_for(self.grace_s + 10.0, take)
            take(b"", self.metrics())
            self._guard.wait(max(0.0, deadline - time.monotonic()))
            with suppress(TrainingFailed):  # the guard was killed
                self.wait(0.0)
        except subprocess.TimeoutExpired:
            print("the program could not be ended in time; its guard is killed", file=sys.stderr)
        finally:
            if self._guard.poll() is None:
                # The kernel kills the program with its guard.
                with suppress(ProcessLookupError):
                    os.kill(self._guard.pid, signal.SIGKILL)
                self._guard.wait()
            if steps and (left := job_steps.running(self._environment)):
                job_steps.send("KILL", left, self._environment)
            self._release()

    def _read_for(self, seconds: float, take: Callable[[bytes, bytes], object]) -> None:
        """Read until the program has ended, or for `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (data := self.read(0.1)) is not None:
            take(data, self.metrics())

    def _read_status(self, wait_s: float) -> str:
        ready, _, _ = select.select([self._status], [], [], wait_s)
        return os.read(self._status, 100).decode() if ready else ""

    def _release(self) -> None:
        for descriptor in (self._output, self._status):
            with suppress(OSError):  # already closed
                os.close(descriptor)
        self._metrics.close()
        self._cases.close()
        for file in self._scratch.glob("*"):
            file.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # removed by the guard
            self._scratch.rmdir()
