"""P values of all looks -> p values valid at any look, and the levels of single looks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cached_property
from math import isnan, nan

from harness.analysis.statistics import Levels, Spending, sequential_level, sequential_p
from harness.analysis.statistics.sequential import default_levels


class Series:
    """The p values of every test at each look so far. With a single look they are not changed."""

    def __init__(self, looks: tuple[int, ...], levels: Levels | None, spending: Spending) -> None:
        self.looks, self.spending, self._levels = looks, spending, levels
        self._p_values: dict[Hashable, dict[int, float]] = {}
        self._one_sided: set[Hashable] = set()

    @cached_property
    def levels(self) -> Levels:
        """The levels of the looks, simulated here if they were not given."""
        return self._levels or default_levels(self.looks, self.spending)

    def add(self, key: Hashable, n: int, p: float, *, one_sided: bool = False) -> None:
        """The p value of the test `key` with `n` seeds; NaN counts as no evidence."""
        if not isnan(p):
            self._p_values.setdefault(key, {})[n] = p
            self._one_sided |= {key} if one_sided else set()

    def p(self, key: Hashable) -> float:
        """The p value of a test after the looks so far; NaN if no look has one."""
        values = self._p_values.get(key)
        if not values:
            return nan
        if len(self.looks) == 1:
            return next(iter(values.values()))
        if key not in self._one_sided:
            return float(sequential_p(values, self.looks, self.levels))
        doubled = {n: min(1.0, 2.0 * p) for n, p in values.items()}
        return float(sequential_p(doubled, self.looks, self.levels)) / 2.0

    def strongest(self, key: Hashable) -> int:
        """The look that determines `p`. Raises KeyError without p values."""
        values = self._p_values[key]
        return min(values, key=lambda n: values[n] / self.levels.share(n))

    def level(self, n: int, alpha: float) -> float:
        """The level of a two-sided test, overall at `alpha`, at the look with `n` seeds."""
        return alpha if len(self.looks) == 1 else float(sequential_level(n, self.looks, alpha, self.levels))

    def one_sided_level(self, n: int, alpha: float) -> float:
        """The same of a one-sided test."""
        return alpha if len(self.looks) == 1 else self.level(n, min(2.0 * alpha, 1 - 1e-9)) / 2.0

    def after(self, n: int) -> Iterable[int]:
        """The looks after that with `n` seeds."""
        return (look for look in self.looks if look > n)
