"""Values of metrics as they come -> groups that belong together: of one step, or until a metric is repeated."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.tasks.protocol import Number


@dataclass(frozen=True)
class Group:
    """Values by metric, with their step (None: unknown), and other numbers of the same JSON lines."""

    step: int | None
    values: Mapping[str, float]
    extra: Mapping[str, Number] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether all values are finite."""
        return all(map(math.isfinite, self.values.values()))


class Grouping:
    """One source of values, such as the output.

    A group is complete when it has every metric of the source, a metric is repeated, the step changes, or a value is not finite.
    """

    def __init__(self, metrics: Collection[str]) -> None:
        self.metrics = frozenset(metrics)
        self.complete: deque[Group] = deque()
        self.ended = False
        self._values: dict[str, float] = {}
        self._extra: dict[str, Number] = {}
        self._step: int | None = None

    def add(self, name: str, value: float, step: int | None) -> None:
        """A value of one metric."""
        self.begin([name], step)
        self._values[name] = value
        self._step = step if step is not None else self._step
        if len(self._values) == len(self.metrics) or not math.isfinite(value):
            self.close()

    def begin(self, names: Collection[str], step: int | None) -> None:
        """Complete the group if it cannot contain these metrics at this step."""
        another = step is not None and self._step is not None and step != self._step
        if self._values and (another or any(name in self._values for name in names)):
            self.close()

    def note(self, extra: Mapping[str, Number]) -> None:
        """Other numbers, kept beside the values."""
        self._extra.update(extra)

    def close(self) -> None:
        """Complete the group as it is, if it has any value."""
        if self._values:
            self.complete.append(Group(self._step, self._values, self._extra))
            self._values, self._extra, self._step = {}, {}, None

    def end(self) -> None:
        """No more values will come."""
        self.close()
        self.ended = True

    @property
    def seen(self) -> Collection[str]:
        """The metrics of the incomplete group."""
        return self._values.keys()
