"""A program's output and JSON lines -> rows of metrics.

A row is complete when it has every metric, a metric is repeated, the step changes, or the program ends. The last row takes
missing metrics from earlier rows, so that a result has the last value of every metric.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.tasks.command.measure import Measure
from harness.tasks.protocol import Number, TrainingFailed

LONGEST_LINE = 1 << 16  # bytes of a line that are read
LINE_END = re.compile(rb"[\r\n]")  # progress bars end with a carriage return
# Keys of rows, results and plans: ignored in JSON lines, not allowed as names of metrics.
RESERVED_KEYS = frozenset(
    {"epoch", "step", "seconds"}
    | {"schema", "state", "reason", "error", "traceback_digest", "ended", "checksums", "provenance_digest", "seal"}
    | {"id", "variant", "seed", "look", "task"}
)


class Lines:
    """Chunks of bytes -> complete lines, truncated to `longest` bytes."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.longest = longest
        self._rest = b""

    def add(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *whole, rest = LINE_END.split(self._rest + data)
        self._rest = rest[: self.longest]
        return [_decoded(line[: self.longest]) for line in whole if line]

    def end(self) -> list[str]:
        """The rest after the last line end."""
        rest, self._rest = self._rest, b""
        return [_decoded(rest)] if rest else []


class Rows:
    """Collects metrics into rows; `take` returns the complete ones.

    `known` are the rows of an earlier attempt. A resumed program may repeat steps: rows up to the last known step are skipped, so
    the first new row needs a step. If the last known row lacks a metric, because the stop may have split it, it is removed from
    `known` and returned again before the first later row, with the metrics that the program has repeated.
    """

    def __init__(
        self, metrics: Mapping[str, Measure], known: Sequence[dict[str, Any]] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.metrics = metrics
        self.patterns = {name: re.compile(measure.pattern) for name, measure in metrics.items() if measure.pattern}
        # Metric -> its last value.
        self.last: dict[str, float] = {name: row[name] for row in known for name in metrics if row.get(name) is not None}
        self._resumed = bool(known)  # until the first new row
        steps = [row["step"] for row in known]
        rising = steps == sorted(steps)  # else they restart in each epoch and cannot be used
        self._held = known[-1] if known and rising and any(known[-1].get(name) is None for name in metrics) else None
        self.count = len(known) - (self._held is not None)
        # None from the first new row on.
        self._known_step: int | None = steps[self.count - 1] if self.count and rising else None
        self._clock, self._since = clock, clock()
        self._row: dict[str, float] = {}
        self._extra: dict[str, Number] = {}
        self._row_step: int | None = None
        self._complete: deque[dict[str, Any]] = deque()

    def begin(self) -> None:
        """The first row's time counts from now."""
        self._since = self._clock()

    def line(self, text: str) -> None:
        """Search a line of output. Raises TrainingFailed if a match is not a number or a row lacks its step."""
        for name, pattern in self.patterns.items():
            if match := pattern.search(text):
                found = match.groupdict()
                step = found.get("step")
                self._add(
                    name, _number(name, found["value"] or "", text), None if step is None else _whole_number(name, step, text)
                )

    def record(self, text: str) -> None:
        """Read a JSON line: an object of numbers, optionally with `step`. Raises TrainingFailed."""
        if not text.strip():
            return
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unreadable(f"$HARNESS_METRICS has a line that is not JSON ({error}): {_shown(text)}") from error
        if not isinstance(values, dict):
            raise _unreadable(f"$HARNESS_METRICS has a line that is not a JSON object: {_shown(text)}")
        step = values.pop("step", None)
        if step is not None and (type(step) not in (int, float) or not math.isfinite(step) or step != int(step)):
            raise _unreadable(f"$HARNESS_METRICS has the step {json.dumps(step)}, which is not an integer: {_shown(text)}")
        step = None if step is None else int(step)
        found = {
            name: _json_number(name, value, text) for name, value in values.items() if name in self.metrics and value is not None
        }
        if self._row and (self._is_another(step) or any(name in self._row for name in found)):
            self._close()
        others = {name: value for name, value in values.items() if name not in self.metrics and name not in RESERVED_KEYS}
        self._extra |= {name: value for name, value in others.items() if type(value) in (int, float) and abs(value) < 1e300}
        for name, value in found.items():
            self._add(name, value, step)

    def add_last(self, values: Mapping[str, float]) -> None:
        """Values of the whole run, known when the program has succeeded: they belong to its last row."""
        if not self._row and self._held is not None:
            self._held = {**self._held, **values}
            self.last |= values
            return
        self._resumed = False  # the values need no step
        self._row |= values

    def end(self) -> None:
        """The program has succeeded: complete the last row with metrics of earlier rows."""
        if self._row:
            self._row = {**self.last, **self._row}
            self._close()
        elif self._held is not None:
            held, self._held = self._held, None
            self._emit({**held, **{name: self.last.get(name) for name in self.metrics}}, held["step"])

    def cut(self) -> None:
        """The program was stopped: the current row may be incomplete, and may be repeated later."""
        if self._row and (self._row_step is not None or not self._resumed):
            self._close()
        if self._held is not None:
            held, self._held = self._held, None
            self._emit(held, held["step"])

    def take(self) -> dict[str, Any] | None:
        """The next complete row, with `epoch` (its number, from 1), `step`, `seconds`; missing metrics are None."""
        return self._complete.popleft() if self._complete else None

    @property
    def waiting(self) -> bool:
        """Whether there is a row to take."""
        return bool(self._complete)

    @property
    def known(self) -> list[str]:
        """The metrics with a value."""
        return [name for name in self.metrics if name in self.last or name in self._row]

    @property
    def missing(self) -> list[str]:
        """The metrics without any value."""
        return [name for name in self.metrics if name not in self.last and name not in self._row]

    def _add(self, name: str, value: float, step: int | None) -> None:
        if self._row and (name in self._row or self._is_another(step)):
            self._close()
        self._row[name] = value
        self._row_step = step if step is not None else self._row_step
        if len(self._row) == len(self.metrics) or not math.isfinite(value):
            self._close()

    def _is_another(self, step: int | None) -> bool:
        return step is not None and self._row_step is not None and step != self._row_step

    def _close(self) -> None:
        row, extra, step = self._row, self._extra, self._row_step
        self._row, self._extra, self._row_step = {}, {}, None
        if step is None and self._resumed:
            raise _unreadable(
                "the run was resumed, but its first row has no step and may be a repeated one;"
                ' add "step" to each JSON line, (?P<step>\\d+) to each pattern, or remove resume'
            )
        if step is not None and self._known_step is not None and step <= self._known_step:
            return
        held, self._held = self._held, None
        if held is not None and step == held["step"]:
            row |= {name: held[name] for name in self.metrics if held.get(name) is not None}
        elif held is not None:
            self._emit(held, held["step"])
        self._resumed, self._known_step = False, None
        self.last |= row
        now = self._clock()
        seconds, self._since = now - self._since, now
        self._emit({**{name: row.get(name) for name in self.metrics}, **extra, "seconds": seconds}, step)

    def _emit(self, row: Mapping[str, Any], step: int | None) -> None:
        self.count += 1
        self._complete.append({**row, "epoch": self.count, "step": self.count if step is None else step})


def _number(name: str, value: str, line: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise _unreadable(f"the pattern of {name} found {value[:60]!r}, which is not a number, in: {_shown(line)}") from error


def _whole_number(name: str, value: str, line: str) -> int:
    number = _number(f"{name} (its step)", value, line)
    if not math.isfinite(number) or number != int(number):
        raise _unreadable(f"the pattern of {name} found the step {value[:60]!r}, which is not an integer, in: {_shown(line)}")
    return int(number)


def _json_number(name: str, value: Any, line: str) -> float:
    # JSON has no non-finite numbers; they are written as strings.
    if value in ("nan", "inf", "-inf", "NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) not in (int, float):
        raise _unreadable(f"$HARNESS_METRICS has {json.dumps(value)[:60]} for {name}, which is not a number: {_shown(line)}")
    try:
        return float(value)
    except OverflowError as error:
        raise _unreadable(f"$HARNESS_METRICS has a number for {name} that is too large: {_shown(line)}") from error


def _unreadable(message: str) -> TrainingFailed:
    return TrainingFailed("output", message)


def _decoded(line: bytes) -> str:
    return line.decode(errors="backslashreplace")


def _shown(line: str) -> str:
    line = line.strip()
    return ascii(line if len(line) <= 120 else f"{line[:117]}...")
