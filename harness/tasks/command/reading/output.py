"""Everything that a program measures -> the rows of its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.tasks.command.files.document import Document
from harness.tasks.command.files.reading import Follower, Reading
from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.finder import Finder, shown
from harness.tasks.command.reading.groups import Group, Grouping
from harness.tasks.command.reading.join import joined
from harness.tasks.command.reading.json_lines import read_record
from harness.tasks.command.reading.pairing import Pairing
from harness.tasks.command.reading.rows import Rows

# Keys of rows, results and plans: ignored in JSON lines, not allowed as names of metrics.
RESERVED_KEYS = frozenset(
    {"epoch", "step", "seconds"}
    | {"schema", "state", "reason", "error", "traceback_digest", "failed_step", "ended", "checksums", "provenance_digest", "seal"}
    | {"id", "variant", "seed", "look", "task"}
)


class Output:
    """Takes lines of output and JSON lines, and follows files; returns rows. `known` are the rows of an earlier attempt."""

    def __init__(
        self,
        metrics: Mapping[str, Measure],
        known: Sequence[dict[str, Any]] = (),
        clock: Callable[[], float] = time.monotonic,
        files: Sequence[Follower] = (),
    ) -> None:
        self.metrics = metrics
        self.finders = {name: Finder(name, measure) for name, measure in metrics.items() if measure.source in ("pattern", "text")}
        # A value that belongs to another epoch must not be chosen with the last one.
        last_counts = [name for name, measure in metrics.items() if not measure.metric.chosen_by_best]
        self._pairing = Pairing(metrics)
        self.rows = Rows(metrics, known, clock, last_counts)
        self._printed = Grouping([name for name, measure in metrics.items() if name in self.finders or measure.source is None])
        # Documents are read when the program has ended: their values belong to the last row.
        self._documents = [each for each in files if isinstance(each, Document)]
        self._followed = [(each, Grouping(each.metrics)) for each in files if not isinstance(each, Document)]
        self._sources = [*([self._printed] if self._printed.metrics else []), *(group for _, group in self._followed)]
        self._final: dict[str, float] = {}  # values of documents
        self._last: Group | None = None  # incomplete: other sources may still add to it

    @property
    def count(self) -> int:
        """The number of rows so far."""
        return self.rows.count

    def begin(self) -> None:
        """The first row's time counts from now."""
        self.rows.begin()

    def line(self, text: str) -> None:
        """Search a line of output. Raises TrainingFailed if a match is not a number or a row lacks its step."""
        values = {name: found for name, finder in self.finders.items() if (found := finder.find(text))}
        if not values:
            return
        step = next((found.step for found in values.values() if found.step is not None), None)
        self._pairing.came(values.keys(), step)
        self._printed.begin(values.keys(), step)
        for name, found in values.items():
            self._printed.add(name, found.value, found.step)
        self._pass_on()

    def record(self, text: str) -> None:
        """Read a JSON line: an object of numbers, optionally with `step`. Raises TrainingFailed."""
        record = read_record(text, self.metrics, RESERVED_KEYS)
        if record is None:
            return
        self._pairing.came(record.values.keys(), record.step)
        self._printed.begin(record.values.keys(), record.step)
        self._printed.note(record.others)
        for name, value in record.values.items():
            self._printed.add(name, value, record.step)
        self._pass_on()

    def poll(self) -> None:
        """Read what is new in files. Raises TrainingFailed."""
        for follower, grouping in self._followed:
            self._add_readings(follower.poll(), grouping)
        self._pass_on()

    def end(self) -> None:
        """The program has succeeded: complete the last row with metrics of earlier rows. Raises TrainingFailed."""
        for follower, grouping in self._followed:
            self._add_readings(follower.end(), grouping)
        for document in self._documents:
            readings = document.end()
            if len(readings) == 1 and readings[0].step is None:
                self._final.update(readings[0].values)
            else:
                self._sources.append(ending := Grouping(document.metrics))
                self._add_readings(readings, ending)
        for source in self._sources:
            source.end()
        self._pass_on(last=True)

    def add_last(self, values: Mapping[str, float]) -> None:
        """Values of the whole run, known when the program has succeeded, before `end`: they belong to the last row."""
        self._final.update(values)

    def cut(self) -> None:
        """The program was stopped: the current row may be incomplete, and may be repeated later."""
        for source in self._sources:
            source.end()
        for group in [*filter(None, [self._last]), *joined(self._sources)]:
            if group.step is not None or not self.rows.resumed:
                self.rows.add(group)
        self.rows.cut()

    def take(self) -> dict[str, Any] | None:
        """The next complete row."""
        return self.rows.take()

    @property
    def waiting(self) -> bool:
        """Whether there is a row to take."""
        return self.rows.waiting

    @property
    def _several(self) -> bool:
        """Whether a row may get metrics of another source after it has been taken from one."""
        return len(self._sources) > 1 or bool(self._documents)

    @property
    def measured(self) -> list[str]:
        """The metrics with a value so far."""
        pending = {*self._printed.seen, *(self._last.values if self._last else ())}
        return [name for name in self.metrics if name in self.rows.last or name in pending]

    @property
    def missing(self) -> list[str]:
        """The metrics without any value."""
        return [name for name in self.metrics if name not in self.rows.last]

    def why_missing(self, metric: str) -> str:
        """Why there is no value of the metric, in one sentence."""
        followers = (*self._documents, *(follower for follower, _ in self._followed))
        if follower := next((each for each in followers if metric in each.metrics), None):
            return follower.why_missing(metric)
        finder = self.finders.get(metric)
        if finder is None:
            return f"no line of $HARNESS_METRICS had {metric} (metrics without a source are read from there)"
        if finder.inside_word is not None:
            where = f"it is only inside a word, in: {shown(finder.inside_word)}; write the text from the beginning of the word"
            return f"the text of {metric} was never found: {finder.written!r}; {where}"
        never = "text of {} was never found" if finder.text is not None else "pattern of {} never matched"
        return f"the {never.format(metric)}: {finder.written!r}"

    def _pass_on(self, last: bool = False) -> None:
        for group in joined(self._sources):
            before, self._last = self._last, group
            if before is not None:
                self._add(before)
            whole = len(group.values) == len(self.metrics) or not group.finite
            if whole or not (self._several or last):
                self._add(group)
                self._last = None
        if last:
            if self._last is not None:
                self._pairing.row(self._last.values.keys())
            self._pairing.check()
            self.rows.end(self._last, self._final)
            self._last = None

    def _add(self, group: Group) -> None:
        self._pairing.row(group.values.keys())
        self.rows.add(group)

    def _add_readings(self, readings: Sequence[Reading], grouping: Grouping) -> None:
        for reading in readings:
            self._pairing.came(reading.values.keys(), reading.step)
            grouping.begin(reading.values.keys(), reading.step)
            for name, value in reading.values.items():
                grouping.add(name, value, reading.step)
