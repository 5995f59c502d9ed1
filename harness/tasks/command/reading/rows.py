"""Groups of values -> rows of a run, in a first start and after a resume.

The last row takes missing metrics from earlier rows, so that a result has the last value of every metric.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from harness.tasks.command.reading.groups import Group
from harness.tasks.protocol import TrainingFailed


class Rows:
    """Numbers the rows; `take` returns the complete ones.

    `known` are the rows of an earlier attempt. A resumed program may repeat steps: rows up to the last known step are skipped, so
    the first new row needs a step. If the last known row lacks a metric, because the stop may have split it, it is removed from
    `known` and returned again before the first later row, with the metrics that the program has repeated.
    """

    def __init__(
        self,
        metrics: Collection[str],
        known: Sequence[dict[str, Any]] = (),
        clock: Callable[[], float] = time.monotonic,
        carried: Collection[str] | None = None,
    ) -> None:
        """`carried`: the metrics that the last row takes from earlier rows; default: all."""
        self.metrics = tuple(metrics)
        self.carried = self.metrics if carried is None else tuple(carried)
        # Metric -> its last value.
        self.last: dict[str, float] = {name: row[name] for row in known for name in metrics if row.get(name) is not None}
        self.resumed = bool(known)  # until the first new row
        steps = [row["step"] for row in known]
        rising = steps == sorted(steps)  # else they restart in each epoch and cannot be used
        self._held = known[-1] if known and rising and any(known[-1].get(name) is None for name in metrics) else None
        self.count = len(known) - (self._held is not None)
        # None from the first new row on.
        self._known_step: int | None = steps[self.count - 1] if self.count and rising else None
        self._clock, self._since = clock, clock()
        self._complete: deque[dict[str, Any]] = deque()

    def begin(self) -> None:
        """The first row's time counts from now."""
        self._since = self._clock()

    def add(self, group: Group) -> None:
        """A row, unless it is known. Raises TrainingFailed if it may be known, but has no step."""
        row, step = dict(group.values), group.step
        if step is None and self.resumed:
            raise TrainingFailed(
                "output",
                "the run was resumed, but its first row has no step and may be a repeated one;"
                ' add "step" to each JSON line, {step} to each text, (?P<step>\\d+) to each pattern, or remove resume',
            )
        if step is not None and self._known_step is not None and step <= self._known_step:
            return
        held, self._held = self._held, None
        if held is not None and step == held["step"]:
            row |= {name: held[name] for name in self.metrics if held.get(name) is not None}
        elif held is not None:
            self._emit(held, held["step"])
        self.resumed, self._known_step = False, None
        self.last |= row
        now = self._clock()
        seconds, self._since = now - self._since, now
        self._emit({**{name: row.get(name) for name in self.metrics}, **group.extra, "seconds": seconds}, step)

    def end(self, group: Group | None, final: Mapping[str, float]) -> None:
        """The program has succeeded: the last row (None: no new one) gets `final`, and what it lacks from earlier rows."""
        if final and group is None and self._held is not None:
            self._held = {**self._held, **final}
            self.last |= final
        elif final:
            before = group or Group(None, {})
            group = Group(before.step, {**before.values, **final}, before.extra)
            self.resumed = False  # values of the whole run need no step
        if group is not None:
            carried = {name: value for name, value in self.last.items() if name in self.carried}
            self.add(Group(group.step, {**carried, **group.values}, group.extra))
        elif self._held is not None:
            held, self._held = self._held, None
            self._emit({**held, **{name: self.last.get(name) for name in self.carried}}, held["step"])
        elif not self.metrics:  # a step that measures nothing: one row says how long it took
            self._emit({"seconds": self._clock() - self._since}, None)

    def cut(self) -> None:
        """The program was stopped before the held row was repeated."""
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

    def _emit(self, row: Mapping[str, Any], step: int | None) -> None:
        self.count += 1
        self._complete.append({**row, "epoch": self.count, "step": self.count if step is None else step})
