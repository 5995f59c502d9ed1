"""Metrics whose result is where another one is best -> whether it is known which of their values belong together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.tasks.command.measure import Measure
from harness.tasks.protocol import TrainingFailed


class Pairing:
    """Values belong together if they come together (in one line, record or reading), have steps, or come equally often."""

    def __init__(self, metrics: Mapping[str, Measure]) -> None:
        self._pairs = {name: measure.at_best for name, measure in metrics.items() if measure.at_best is not None}
        self._alone: set[str] = set()  # came without the metric that chooses
        self._stepless: set[str] = set()
        self._apart: set[str] = set()  # one of the two is missing in a row

    def came(self, names: Collection[str], step: int | None) -> None:
        """These metrics came together."""
        self._alone.update(name for name, by in self._pairs.items() if name in names and by not in names)
        if step is None:
            self._stepless.update(names)

    def row(self, names: Collection[str]) -> None:
        """These metrics have become a row."""
        self._apart.update(name for name, by in self._pairs.items() if (name in names) != (by in names))

    def check(self) -> None:
        """Raises TrainingFailed for values that may belong to another row."""
        for name in sorted(self._alone & self._apart):
            by = self._pairs[name]
            if not self._stepless.isdisjoint((name, by)):
                raise TrainingFailed(
                    "output",
                    f"{name} and {by} were not measured equally often, so it is not known which values belong together"
                    f" (at_best: {by}); add {{step}} to each text, (?P<step>\\d+) to each pattern, a step to each file",
                )
