"""The training of a program: rows from its output, its log, and the reason for a failure."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.common.durations import spelled
from harness.tasks.command.evaluation import Evaluation
from harness.tasks.command.fault import FROM_OUTSIDE, failure, last_line
from harness.tasks.command.files.followers import followers
from harness.tasks.command.machine import Port
from harness.tasks.command.memory_events import memory_kills
from harness.tasks.command.model import Program as Definition
from harness.tasks.command.program import Exit, RunningProgram
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import Number, Training, TrainingFailed

POLL_S = 0.1  # interval of checks while the program prints nothing
LOG_LIMIT = 64 << 20  # bytes of output in the log of one start
LOG_END = 4096  # bytes of the end of the output in a log that reached its limit
TAIL = 64 << 10  # bytes at the end of the output that are searched for the cause of a failure
EXITED = "--- the program exited with code 0"  # a log with this line is complete
OTHER_WAYS = "if the program writes it to a file, use file:, tensorboard: or wandb: instead"
LAG_S = 1.0  # at a shutdown, the program may get its signal this much sooner than the worker
NODES_LAG_S = 10.0  # and, in a job of several nodes, a part of it on another one; launchers then exit with any code


class CommandTraining(Training):
    """One run of a program. It is started by the first `advance` and ended by `close`."""

    def __init__(
        self,
        definition: Definition,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: Path,
        carried: Mapping[str, float] | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        """`folder`: where the program writes its files; `carried`: metrics of earlier steps, which every row has besides its own.

        `goes_on`: the program resumes an earlier attempt.
        Raises DeviceError, TrainingFailed: see `followers`.
        """
        self.definition, self.arguments, self.environment, self.folder = definition, arguments, environment, folder
        self._evaluation = Evaluation(definition, folder, goes_on=goes_on)
        self._carried = dict(carried or {})
        self.output = self._new_output()
        self.scratch: tempfile.TemporaryDirectory[str] | None = None  # removed by `close`
        self.port: Port | None = None  # of the program; closed by `close`
        self._lines, self._records = Lines(), Lines()
        self._program: RunningProgram | None = None
        self._exit: Exit | None = None
        self._exited_at = 0.0
        self._succeeded = False  # exit code 0 and all metrics present
        self._began = 0.0
        self._logged = 0
        self._tail = bytearray()
        self._memory_kills = 0
        self._silent = True
        self._unreadable: TrainingFailed | None = None  # in the output of a program that runs on

    @property
    def finished(self) -> bool:
        """Whether the program has succeeded and all its rows were returned."""
        return self._succeeded and not self.output.waiting

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Read the output until a row is complete. Raises TrainingFailed."""
        program = self._program or self._start()
        while not self.output.waiting and not self.finished:
            if self._exit is not None:
                if self._stopped_with_worker(self._exit, should_stop):
                    return None
                self._check_exit(self._exit)
                continue
            limit = self.definition.timeout_s
            if limit is not None and time.monotonic() - self._began > limit:
                raise TrainingFailed(
                    "timeout", f"ran longer than its timeout of {spelled(limit)}{self._last_output()}", "timeout"
                )
            data = program.read(POLL_S)
            self._take(data or b"", program.metrics())
            if data is None:
                self._exit, self._exited_at = program.wait(10.0), time.monotonic()
            elif not self.output.waiting and should_stop():
                return None
        return self._next_row()

    def state_dict(self) -> dict[str, Any]:
        """Empty: the program keeps its own state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume after the recorded rows (`rows`); an incomplete last one is removed from the list."""
        self.output = self._new_output(state["rows"])
        del state["rows"][self.output.count :]

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
        self.output.cut()
        return list(iter(self._next_row, None))

    def close(self) -> None:
        """End the program and all its descendants."""
        if self._program is not None:
            program, self._program = self._program, None
            program.end(lambda printed, _appended: self._keep(printed))
        if self.scratch is not None:
            self.scratch.cleanup()
        if self.port is not None:
            self.port.close()
        if self._logged > LOG_LIMIT:
            end = b"" if self._tail.endswith(b"\n") else b"\n"
            _write(b"--- the end of the output:\n" + bytes(self._tail[-LOG_END:]) + end)

    def _new_output(self, known: Sequence[dict[str, Any]] = ()) -> Output:
        metrics, resumes = self.definition.metrics, self.definition.resume is not None
        return Output(metrics, known, files=followers(metrics, self.folder, resumes=resumes))

    def _next_row(self) -> Mapping[str, Number | None] | None:
        row = self.output.take()
        return None if row is None else {**row, **self._carried}

    def _start(self) -> RunningProgram:
        # Flush Python's buffers first, to keep the order of the log.
        sys.stdout.flush()
        print(f"$ {shlex.join(self.arguments)}   (in {self.definition.directory})", flush=True)
        self._began, self._memory_kills = time.monotonic(), memory_kills()
        self.output.begin()
        folder, cases = Path(self.definition.directory), self._evaluation.start()
        self._program = RunningProgram(self.arguments, folder, self.environment, cases=cases)
        return self._program

    def _take(self, printed: bytes, appended: bytes) -> None:
        self._keep(printed)
        self._silent = self._silent and not printed and not appended
        self._read(self._lines.add(printed), self._records.add(appended))

    def _take_last_lines(self) -> None:
        """Read the rest after the last line end, once the program has succeeded."""
        self._read(self._lines.end(), self._records.end())

    def _read(self, lines: Sequence[str], records: Sequence[str]) -> None:
        """Find the metrics. Raises TrainingFailed if they are unreadable and no row would be lost.

        Else the program runs on to its end, so that its log can be read again with a better pattern.
        """
        if self._unreadable is not None:
            return
        try:
            for line in lines:
                self.output.line(line)
            for record in records:
                self.output.record(record)
            self.output.poll()
        except TrainingFailed as error:
            if self.output.count == 0 or self._exit is not None:
                raise
            self._unreadable = error
            print(f"--- {error}; the program runs on, and its log can be read again", flush=True)

    def _take_cases(self) -> None:
        """Read the cases, whose means are the last values of their metrics. Raises TrainingFailed."""
        assert self._program is not None
        if means := self._evaluation.end(self._program.cases(), self.output.measured):
            self.output.add_last(means)

    def _keep(self, printed: bytes) -> None:
        """Write to the log, up to its limit; keep the end for messages."""
        self._tail += printed
        if len(self._tail) > 2 * TAIL:  # not for every few bytes
            del self._tail[:-TAIL]
        room = LOG_LIMIT - self._logged
        if room > 0:
            _write(printed[:room])
            if len(printed) > room:
                _write(f"\n--- more than {LOG_LIMIT >> 20} MiB of output: the rest is omitted, except its end\n".encode())
        self._logged += len(printed)

    def _stopped_with_worker(self, exit_: Exit, should_stop: Callable[[], bool]) -> bool:
        """Whether the worker stops as well: then the exit code is ignored, and the run is resumed later."""
        several = exit_.code != 0 and self.environment.get("SLURM_JOB_NUM_NODES", "1") != "1"
        until = self._exited_at + (NODES_LAG_S if several else LAG_S if exit_.code in FROM_OUTSIDE else 0.0)
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
            raise failure(bytes(self._tail), exit_.code, memory_kills() - self._memory_kills)
        print(EXITED, flush=True)
        self._take_last_lines()
        if self._unreadable is not None:
            raise TrainingFailed("output", f"{self._unreadable}; after fixing the cause: harness reread", self._unreadable.place)
        self._take_cases()
        self.output.end()
        if missing := self.output.missing:
            raise TrainingFailed("output", self._missing_message(missing[0]), f"output: {missing[0]}")
        self._succeeded = True

    def _missing_message(self, metric: str) -> str:
        if self.definition.metrics[metric].source not in ("pattern", "text", None):
            return f"{self.output.why_missing(metric)}{self._last_output()}"
        if self._silent:
            return f"the program exited with code 0 but printed nothing, so {metric} is missing; {OTHER_WAYS}"
        return f"{self.output.why_missing(metric)}; {OTHER_WAYS}{self._last_output()}"

    def _last_output(self) -> str:
        return last_line(bytes(self._tail))


def _write(data: bytes) -> None:
    """To file descriptor 1, which is the log of the run during training."""
    while data:
        data = data[os.write(1, data) :]
