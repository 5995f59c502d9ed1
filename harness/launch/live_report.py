"""Keeps a report current during training: the number of finished runs -> their report, written by a process of low priority."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from harness.common import python_command

EVERY_S = 30.0
SHARE = 20  # at most 1/SHARE of the time is spent on reports, in processor time
LOWEST = 19  # the niceness that gives way to all others
STOP_S = 0.3  # the verdict waits for it; until a process that does not stop is killed
WRITTEN = (0, 1)  # exit codes of `harness report`; 1: the report says which files do not fit


class LiveReport:
    """The report of a plan in training. Errors are passed to `warn` and never stop training.

    A context manager: leaving it stops a process that still writes, so that whoever writes the last report writes alone.
    """

    def __init__(
        self,
        name: str,
        results: str | Path,
        finished: int,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.results, self.warn, self.clock = name, results, warn, clock
        self.finished = finished  # runs at the last write
        self.next_write = clock() + EVERY_S
        self.process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._errors: IO[bytes] | None = None

    def update(self, finished: int) -> None:
        """Have the report written again if more runs have `finished` and the interval has passed. Does not wait for it."""
        now = self.clock()
        if self.process is not None:
            self._look_after(self.process, now)
        elif finished != self.finished and now >= self.next_write:
            self.finished, self._began = finished, now
            try:
                self._start()
            except OSError as error:
                self._report_error(str(error))
                self.next_write = now + EVERY_S

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        self.process = subprocess.Popen(
            [
                *python_command.command("harness.report"),
                "--json",
                "--with-parent",
                "--results",
                str(self.results),
                "--",
                self.name,
            ],
            stdin=subprocess.PIPE,  # closed by a parent that is killed: its report would replace a later one
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        give_way(self.process.pid)

    def _look_after(self, process: subprocess.Popen[bytes], now: float) -> None:
        """Notice the end of the process, and decide when the next one may start."""
        found, status, usage = os.wait4(process.pid, os.WNOHANG)  # Popen.poll does not say how much time it took
        if not found:
            return
        process.returncode = os.waitstatus_to_exitcode(status)
        close_input(process)
        self.process = None
        self.next_write = next_start(self._began, now, usage.ru_utime + usage.ru_stime)
        with self._errors or tempfile.TemporaryFile() as errors:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").split("\n")
        if process.returncode not in WRITTEN:
            said = [line for line in lines if line.strip()]
            self._report_error(said[-1] if said else f"exit code {process.returncode}")

    def _report_error(self, what: str) -> None:
        self.warn(f"the report is not up to date: {what}")

    def __enter__(self) -> LiveReport:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)  # which removes the file that it is writing
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        close_input(self.process)
        self.process = None
        if self._errors is not None:
            self._errors.close()


def close_input(process: subprocess.Popen[bytes]) -> None:
    """Close this end of the pipe by which the process notices that its parent was killed."""
    assert process.stdin is not None
    process.stdin.close()


def next_start(began: float, ended: float, processor_s: float) -> float:
    """The time from which the next report may be started, after one that took `processor_s` seconds of processor time."""
    return max(ended + EVERY_S, began + SHARE * processor_s)


def give_way(pid: int) -> None:
    """Let the process run when no other wants the processor, as far as this system can; it leads its own session."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST)
    # Linux may divide the processor among sessions first: then niceness counts only inside one, and a session has its own.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(LOWEST))
