"""The training of a program: rows from its output, its log, and the reason for a failure."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.tasks.command.evaluation import Evaluation
from harness.tasks.command.model import Program as Definition
from harness.tasks.command.program import Exit, RunningProgram
from harness.tasks.command.rows import Lines, Rows
from harness.tasks.protocol import Number, Training, TrainingFailed

POLL_S = 0.1  # interval of checks while the program prints nothing
LOG_LIMIT = 64 << 20  # bytes of output in the log of one start
TAIL = 4096  # bytes at the end of the output, for error messages
OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemoryError|MemoryError|bad_alloc", re.IGNORECASE)
DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|Errno 28", re.IGNORECASE)
PYTHONS_PLACE = re.compile(r'File "[^"]*?([^"/]+)", line (\d+)')
CHANGING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{12}|\d+")
LAG_S = 1.0  # at a shutdown, the program may get its signal this much sooner than the worker
SIGNALS_FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
# Exit codes of these signals, also as reported by a shell.
FROM_OUTSIDE = {code: number.name for number in SIGNALS_FROM_OUTSIDE for code in (-number, 128 + number)}


class CommandTraining(Training):
    """One run of a program. It is started by the first `advance` and ended by `close`."""

    def __init__(
        self,
        definition: Definition,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        goes_on: bool = False,
    ) -> None:
        """`folder` is the run's own; `goes_on`: the program resumes an earlier attempt."""
        self.definition, self.arguments, self.environment = definition, arguments, environment
        self._evaluation = Evaluation(definition, folder, goes_on=goes_on)
        self.rows = Rows(definition.metrics)
        self.scratch: tempfile.TemporaryDirectory[str] | None = None  # removed by `close`
        self._lines, self._records = Lines(), Lines()
        self._program: RunningProgram | None = None
        self._exit: Exit | None = None
        self._exited_at = 0.0
        self._succeeded = False  # exit code 0 and all metrics present
        self._began = 0.0
        self._logged = 0
        self._tail = b""
        self._silent = True

    @property
    def finished(self) -> bool:
        """Whether the program has succeeded and all its rows were returned."""
        return self._succeeded and not self.rows.waiting

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Read the output until a row is complete. Raises TrainingFailed."""
        program = self._program or self._start()
        while not self.rows.waiting and not self.finished:
            if self._exit is not None:
                if self._stopped_with_worker(self._exit, should_stop):
                    return None
                self._check_exit(self._exit)
                continue
            limit = self.definition.timeout_s
            if limit is not None and time.monotonic() - self._began > limit:
                raise TrainingFailed(
                    "timeout", f"ran longer than its timeout of {self._timeout()}{self._last_output()}", "timeout"
                )
            data = program.read(POLL_S)
            self._take(data or b"", program.metrics())
            if data is None:
                self._exit, self._exited_at = program.wait(10.0), time.monotonic()
            elif not self.rows.waiting and should_stop():
                return None
        return self.rows.take()

    def state_dict(self) -> dict[str, Any]:
        """Empty: the program keeps its own state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume after the recorded rows (`rows`); an incomplete last one is removed from the list."""
        self.rows = Rows(self.definition.metrics, state["rows"])
        del state["rows"][self.rows.count :]

    def predictions(self) -> Mapping[str, Any] | None:
        """The outcomes of cases, if the program wrote any."""
        return None if self._evaluation.cases is None else self._evaluation.cases.arrays()

    def last_words(self) -> list[Mapping[str, Number | None]]:
        """End the program and return the rows until then. Raises TrainingFailed for unreadable output."""
        unreadable: list[TrainingFailed] = []

        def take(printed: bytes, appended: bytes) -> None:
            try:  # the program must still be ended properly
                self._take(printed, appended)
            except TrainingFailed as error:
                unreadable.append(error)

        if self._program is not None:
            program, self._program = self._program, None
            program.end(take)
            if unreadable:
                raise unreadable[0]
            if program.exit is not None and program.exit.code == 0:
                self._take_last_lines()
        self.rows.cut()
        return list(iter(self.rows.take, None))

    def close(self) -> None:
        """End the program and all its descendants."""
        if self._program is not None:
            program, self._program = self._program, None
            program.end(lambda printed, _appended: self._keep(printed))
        if self.scratch is not None:
            self.scratch.cleanup()
        if self._logged > LOG_LIMIT:
            end = b"" if self._tail.endswith(b"\n") else b"\n"
            _write(b"--- the end of the output:\n" + self._tail + end)

    def _start(self) -> RunningProgram:
        # Flush Python's buffers first, to keep the order of the log.
        sys.stdout.flush()
        print(f"$ {shlex.join(self.arguments)}   (in {self.definition.directory})", flush=True)
        self._began = time.monotonic()
        self.rows.begin()
        folder, cases = Path(self.definition.directory), self._evaluation.start()
        self._program = RunningProgram(self.arguments, folder, self.environment, cases=cases)
        return self._program

    def _take(self, printed: bytes, appended: bytes) -> None:
        self._keep(printed)
        for line in self._lines.add(printed):
            self.rows.line(line)
        self._silent = self._silent and not printed and not appended
        for line in self._records.add(appended):
            self.rows.record(line)

    def _take_last_lines(self) -> None:
        """Read the rest after the last line end, once the program has succeeded."""
        for line in self._lines.end():
            self.rows.line(line)
        for line in self._records.end():
            self.rows.record(line)

    def _take_cases(self) -> None:
        """Read the cases, whose means are the last values of their metrics. Raises TrainingFailed."""
        assert self._program is not None
        if means := self._evaluation.end(self._program.cases(), self.rows.known):
            self.rows.add_last(means)

    def _keep(self, printed: bytes) -> None:
        """Write to the log, up to its limit; keep the end for messages."""
        self._tail = (self._tail + printed)[-TAIL:]
        room = LOG_LIMIT - self._logged
        if room > 0:
            _write(printed[:room])
            if len(printed) > room:
                _write(f"\n--- more than {LOG_LIMIT >> 20} MiB of output: the rest is omitted, except its end\n".encode())
        self._logged += len(printed)

    def _stopped_with_worker(self, exit_: Exit, should_stop: Callable[[], bool]) -> bool:
        """Whether the worker stops as well: then the exit code is ignored, and the run is resumed later."""
        until = self._exited_at + (LAG_S if exit_.code in FROM_OUTSIDE else 0.0)
        while not should_stop():
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_S)
        return True

    def _check_exit(self, exit_: Exit) -> None:
        """Check the exit of a program that ended by itself, and read the remaining output. Raises TrainingFailed."""
        if exit_.left_behind:
            print(f"--- {exit_.left_behind} processes that the program left running were killed", flush=True)
        if exit_.code != 0:
            raise self._bad_exit(exit_.code)
        self._take_last_lines()
        self._take_cases()
        self.rows.end()
        if missing := self.rows.missing:
            raise TrainingFailed("output", self._missing_message(missing[0]), f"output: {missing[0]}")
        self._succeeded = True

    def _missing_message(self, metric: str) -> str:
        if self._silent:
            return f"the program exited with code 0 but printed nothing, so {metric} is missing"
        pattern = self.definition.metrics[metric].pattern
        if pattern is None:
            return (
                f"no line of $HARNESS_METRICS had {metric} (metrics without a pattern are read from there){self._last_output()}"
            )
        return f"the pattern of {metric} never matched: {pattern!r}{self._last_output()}"

    def _bad_exit(self, code: int) -> TrainingFailed:
        tail = self._tail.decode(errors="backslashreplace")
        places = PYTHONS_PLACE.findall(tail)
        place = f"exit {code} {places[-1] if places else CHANGING.sub('#', self._last_line())}"
        if OUT_OF_MEMORY.search(self._last_line()):
            return TrainingFailed("oom", f"exit code {code}{self._last_output()}", place)
        if DISK_FULL.search(self._last_line()):
            return TrainingFailed("disk", f"exit code {code}{self._last_output()}", place)
        if code in FROM_OUTSIDE:
            how = FROM_OUTSIDE[code] if code < 0 else f"exit code {code}: {FROM_OUTSIDE[code]}"
            guess = ": short of memory?" if FROM_OUTSIDE[code] == "SIGKILL" else ""
            return TrainingFailed("killed", f"the program was killed ({how}{guess}){self._last_output()}", place)
        if code < 0:
            return TrainingFailed("exit", f"the program was ended by {_signal(-code)}{self._last_output()}", place)
        return TrainingFailed("exit", f"exit code {code}{self._last_output()}", place)

    def _timeout(self) -> str:
        written = self.definition.timeout
        return written if isinstance(written, str) else f"{written:g} s"

    def _last_line(self) -> str:
        lines = [line for line in re.split(r"[\r\n]+", self._tail.decode(errors="backslashreplace")) if line.strip()]
        return lines[-1].strip() if lines else ""

    def _last_output(self) -> str:
        last = self._last_line()
        last = last if len(last) <= 200 else f"…{last[-199:]}"
        return f"; it last printed: {last if last.isprintable() else ascii(last)}" if last else "; it printed nothing"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def _write(data: bytes) -> None:
    """To file descriptor 1, which is the log of the run during training."""
    while data:
        data = data[os.write(1, data) :]
