"""P values at looks -> p values that hold at any look, corrected for their family."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from math import isnan, nan
from typing import TypeVar

from harness.analysis.statistics import Levels, holm, sequential_level, sequential_p

Key = TypeVar("Key", bound=Hashable)


class Series:
    """The p values of every test at each look so far. With a single look they are what they are."""

    def __init__(self, looks: tuple[int, ...], levels: Levels | None) -> None:
        self.looks, self.levels = looks, levels
        self._seen: dict[Hashable, dict[int, float]] = {}

    def add(self, key: Hashable, n: int, p: float) -> None:
        """The p value of the test `key` with `n` seeds; NaN counts as no evidence."""
        if not isnan(p):
            self._seen.setdefault(key, {})[n] = p

    def two_sided(self, key: Hashable) -> float:
        """The p value of a two-sided test after the looks so far; NaN where none has one."""
        seen = self._seen.get(key)
        if not seen:
            return nan
        return next(iter(seen.values())) if len(self.looks) == 1 else float(sequential_p(seen, self.looks, self.levels))

    def one_sided(self, key: Hashable) -> float:
        """The same of a one-sided test: half of what twice its p values give."""
        seen = self._seen.get(key)
        if not seen or len(self.looks) == 1:
            return self.two_sided(key)
        doubled = {n: min(1.0, 2.0 * p) for n, p in seen.items()}
        return float(sequential_p(doubled, self.looks, self.levels)) / 2.0

    def strongest(self, key: Hashable) -> int:
        """The look whose p value is what `two_sided` goes by: the least p_n N / n. Raises KeyError where there is none."""
        seen = self._seen[key]
        return min(seen, key=lambda n: seen[n] / n)

    def level(self, n: int, alpha: float) -> float:
        """The level of the look with `n` seeds."""
        return alpha if len(self.looks) == 1 else float(sequential_level(n, self.looks, alpha, self.levels))


def adjusted(p: Mapping[Key, float]) -> dict[Key, float]:
    """A family's p values after Holm. What is not defined stays so, and counts as no evidence for the others."""
    corrected: Iterable[float] = holm([1.0 if isnan(value) else value for value in p.values()]) if p else ()
    return {key: nan if isnan(own) else float(value) for (key, own), value in zip(p.items(), corrected, strict=True)}
