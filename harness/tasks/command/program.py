"""Runs a program: its process, output and exit.

The program is a child of a guard, which ends it with all its descendants when the worker requests it or is killed.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.common.patience import answered
from harness.common.shared_files import SharedFile
from harness.tasks.command import guards, job_steps
from harness.tasks.protocol import TrainingFailed

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
        self._output_closed = self._answered = self._none_remains = False
        own = {"HARNESS_METRICS": str(self._scratch / METRICS), "HARNESS_CASES": str(cases)}
        try:
            start = guards.Start(arguments, directory, {**environment, **own}, self._scratch, grace_s)
            self._guard = guards.started(start, writing)
        except OSError as error:
            self._release()
            raise TrainingFailed("exit", f"{arguments[0]} could not be started: {error.strerror or error}") from error
        except BaseException:
            self._release()
            raise
        finally:
            os.close(writing)

    def read(self, wait_s: float) -> bytes | None:
        """New output; empty if there is none within `wait_s`, None if the program has ended and all output was read.

        A program may close its output and continue, as with `exec > own.log 2>&1` in a shell script.
        """
        if not self._output_closed:
            is_over = self._is_over(0.0)
            ready, _, _ = select.select([self._output], [], [], wait_s)
            if ready and (data := os.read(self._output, CHUNK)):
                return data
            if not ready and not is_over:
                return b""
            self._output_closed = True  # or open in a process that cannot be killed, or outlives a guard that was
        return None if self._is_over(wait_s) else b""

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
            answer = self._guard.answer(wait_s)
            self._answered = answer is not None
            match (answer or "").split():
                case ["error", number]:
                    self._none_remains = True
                    raise TrainingFailed("exit", f"the program could not be started: {os.strerror(int(number))}")
                case ["ended", code, left_behind, none_remains]:
                    self._none_remains = none_remains == "1"
                    self.exit = Exit(int(code), int(left_behind))
                case _:
                    raise TrainingFailed("killed", "the guard process of the program was killed, and the program with it")
        return self.exit

    def end(self, take: Callable[[bytes, bytes], object]) -> None:
        """Terminate it, then kill it; `take` gets the output and metrics until then. No process remains."""
        unfinished = self.exit is None or self.exit.left_behind > 0
        steps = job_steps.running(self._environment) if unfinished else []
        try:
            if steps:  # before the guard ends srun, which would not let them write a checkpoint
                job_steps.send("TERM", steps, self._environment)
                self._read_for(self.grace_s, take)
            deadline = time.monotonic() + self.grace_s + 10.0
            if not self._answered:
                self._guard.stop()
            self._read_for(self.grace_s + 10.0, take)
            take(b"", self.metrics())
            if not self._answered:
                with suppress(TrainingFailed):  # the guard was killed
                    self.wait(max(0.0, deadline - time.monotonic()))
            if not self._answered:
                print("the program could not be ended in time; its guard is killed", file=sys.stderr)
        finally:
            if not self._none_remains:
                self._guard.end()
            if steps and (left := job_steps.running(self._environment)):
                job_steps.send("KILL", left, self._environment)
            self._release()
            if self._none_remains:
                self._guard.keep()

    def _is_over(self, wait_s: float) -> bool:
        """Whether the guard has answered, or answers within `wait_s`."""
        return self._answered or self._guard.has_answered(wait_s)

    def _read_for(self, seconds: float, take: Callable[[bytes, bytes], object]) -> None:
        """Read until the program has ended, or for `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (data := self.read(0.1)) is not None:
            take(data, self.metrics())

    def _release(self) -> None:
        os.close(self._output)
        self._metrics.close()
        self._cases.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
