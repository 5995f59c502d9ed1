"""Corrections for multiple comparisons: for all hypotheses of a plan, Holm's, and Benjamini and Hochberg's."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.analysis.statistics.sample import Floats


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis that a test may reject, with its weight in the correction.

    Hypotheses of one slot with the same `scenario` may be true together, and then each test's p value is at least that of a
    test with a larger region; hypotheses with different scenarios cannot both be true.
    """

    key: Hashable
    weight: float
    scenario: str = ""


@dataclass(frozen=True)
class Slot:
    """The hypotheses about one parameter. `either`: they are the two sides of one decision, and rejecting one ends the slot."""

    hypotheses: tuple[Hypothesis, ...]
    either: bool = False


class Correction:
    """A weighted closed test of the hypotheses in `slots`, given their p values; NaN is never rejected.

    A hypothesis may be in several slots: once rejected in one it is rejected in all, so that their order does not matter.

    A hypothesis of weight w is rejected at alpha w / (c + Σ over the other slots of the largest weight not yet rejected), where c
    is the largest weight, not yet rejected, of its own slot and scenario. Of one slot at most one scenario is true, and the tests
    of a scenario are nested; so the sum of the levels of all true hypotheses is at most alpha when the first of them is rejected,
    for any dependence between the tests (Bonferroni's inequality in the closed test of Marcus, Peritz and Gabriel 1976; with one
    hypothesis a slot this is Holm's procedure).
    """

    def __init__(self, slots: Sequence[Slot], p: Mapping[Hashable, float]) -> None:
        flat = [(place, each) for place, slot in enumerate(slots) for each in slot.hypotheses]
        self._keys = [each.key for _, each in flat]
        names = {key: number for number, key in enumerate(dict.fromkeys(self._keys))}
        self._names = np.array([names[key] for key in self._keys], dtype=int)
        self._weights = np.array([each.weight for _, each in flat])
        self._slots = np.array([place for place, _ in flat], dtype=int)
        self._either = np.array([slots[place].either for place, _ in flat], dtype=bool)
        groups: dict[tuple[int, str], int] = {}
        self._groups = np.array([groups.setdefault((place, each.scenario), len(groups)) for place, each in flat], dtype=int)
        self._p = np.array([p.get(key, np.nan) for key in self._keys])

    def adjusted(self) -> dict[Hashable, float]:
        """The adjusted p value of each hypothesis: the least alpha at which it is rejected, at most 1. NaN stays NaN."""
        found = dict.fromkeys(self._keys, np.nan)
        reached = 0.0
        rejected = np.zeros(len(self._keys), dtype=bool)
        for index, needed in self._steps(rejected):
            reached = max(reached, needed)
            found[self._keys[index]] = min(1.0, reached)
        return found

    def levels(self, alpha: float) -> dict[Hashable, float]:
        """The level at which each hypothesis is tested once all that can be rejected at `alpha` are."""
        rejected = np.zeros(len(self._keys), dtype=bool)
        steps = self._steps(rejected)
        while (step := next(steps, None)) is not None and step[1] < alpha:
            pass
        if step is not None:
            rejected[self._names == self._names[step[0]]] = False
        return self._levels(alpha, rejected)

    def first_levels(self, alpha: float) -> dict[Hashable, float]:
        """The level at which each hypothesis is tested while none is rejected."""
        return self._levels(alpha, np.zeros(len(self._keys), dtype=bool))

    def _levels(self, alpha: float, rejected: Floats) -> dict[Hashable, float]:
        found: dict[Hashable, float] = {}
        for key, factor in zip(self._keys, self._factors(rejected), strict=True):
            found[key] = max(found.get(key, 0.0), float(alpha / factor))
        return found

    def _steps(self, rejected: Floats) -> Iterator[tuple[int, float]]:
        """Every hypothesis with a p value, in the order of rejection, with the alpha that it needs; marks `rejected`."""
        waiting = ~np.isnan(self._p)
        while waiting.any():
            needed = np.where(waiting, self._p * self._factors(rejected), np.inf)
            index = int(needed.argmin())
            same = self._names == self._names[index]
            waiting[same], rejected[same] = False, True
            yield index, float(needed[index])

    def _factors(self, rejected: Floats) -> Floats:
        """What each p value is multiplied by: (c + Σ over the other slots) / w."""
        done = rejected.astype(bool)
        ended = np.isin(self._slots, self._slots[done & self._either])
        weights = np.where(done | (ended & self._either), 0.0, self._weights)
        by_group = np.zeros(self._groups.max(initial=-1) + 1)
        np.maximum.at(by_group, self._groups, weights)
        by_slot = np.zeros(self._slots.max(initial=-1) + 1)
        np.maximum.at(by_slot, self._slots, weights)
        # A hypothesis whose slot has ended is tested as if it had not.
        own = np.maximum(by_group[self._groups], self._weights)
        factors: Floats = (own + by_slot.sum() - by_slot[self._slots]) / self._weights
        return factors


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of p [test]: p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1, in the given order.

    NaN stays NaN and counts in m as the largest: an untestable claim does not make the others easier. Valid for any dependence
    between the tests (Holm 1979). Raises ValueError for another shape or p outside [0, 1].
    """
    given = _checked(p)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """The q values of p [test], p_(i) -> min over j >= i of m p_(j) / j, in the given order.

    Of the tests with q <= x at most the share x is false on average, for independent or positively dependent tests (Benjamini and
    Hochberg 1995). Raises ValueError for another shape or p that is NaN or outside [0, 1].
    """
    given = _checked(p)
    if np.any(np.isnan(given)):
        raise ValueError("p values must not be NaN")
    order = np.argsort(given, kind="stable")
    scaled = given[order] * len(given) / np.arange(1, len(given) + 1)
    q = np.empty_like(given)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return q


def _checked(p: ArrayLike) -> Floats:
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1:
        raise ValueError(f"p must have axes [test], got shape {given.shape}")
    if np.any((given < 0) | (given > 1)):
        raise ValueError(f"p values must lie in [0, 1], got {given[(given < 0) | (given > 1)].tolist()}")
    return given
