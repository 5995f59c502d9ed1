"""P values of all looks -> p values valid at any look, corrected for their family."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from math import isnan, nan
from typing import TypeVar

from harness.analysis.statistics import Levels, holm, sequential_level, sequential_p

Key = TypeVar("Key", bound=Hashable)


class Series:
    """The p values of every test at each look so far. With a single look they are not changed."""

    def __init__(self, looks: tuple[int, ...], levels: Levels | None) -> None:
        self.looks, self.levels = looks, levels
        self._p_values: dict[Hashable, dict[int, float]] = {}

    def add(self, key: Hashable, n: int, p: float) -> None:
        """The p value of the test `key` with `n` seeds; NaN counts as no evidence."""
        if not isnan(p):
            self._p_values.setdefault(key, {})[n] = p

    def two_sided(self, key: Hashable) -> float:
        """The p value of a two-sided test after the looks so far; NaN if no look has one."""
        values = self._p_values.get(key)
        if not values:
            return nan
        return next(iter(values.values())) if len(self.looks) == 1 else float(sequential_p(values, self.looks, self.levels))

    def one_sided(self, key: Hashable) -> float:
        """The p value of a one-sided test: half of that of doubled p values."""
        values = self._p_values.get(key)
        if not values or len(self.looks) == 1:
            return self.two_sided(key)
        doubled = {n: min(1.0, 2.0 * p) for n, p in values.items()}
        return float(sequential_p(doubled, self.looks, self.levels)) / 2.0

    def strongest(self, key: Hashable) -> int:
        """The look that determines `two_sided`: the one with the least p_n N / n. Raises KeyError without p values."""
        values = self._p_values[key]
        return min(values, key=lambda n: values[n] / n)

    def level(self, n: int, alpha: float) -> float:
        """The level of the look with `n` seeds."""
        return alpha if len(self.looks) == 1 else float(sequential_level(n, self.looks, alpha, self.levels))


def adjusted(p: Mapping[Key, float]) -> dict[Key, float]:
    """Holm-adjusted p values of a family. NaN stays NaN and counts as p = 1 for the others."""
    corrected: Iterable[float] = holm([1.0 if isnan(value) else value for value in p.values()]) if p else ()
    return {key: nan if isnan(own) else float(value) for (key, own), value in zip(p.items(), corrected, strict=True)}
