"""A factor's levels -> their places on an axis: to scale where that can be read, else evenly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

UNEVEN = 6.0  # the widest gap in narrowest ones, from which on a scale squeezes levels together


@dataclass(frozen=True)
class Scale:
    """Levels by increasing number, and where they stand. `numbers` is empty where some level is none: then they are even."""

    kind: Literal["linear", "log", "even"]
    levels: tuple[str, ...]
    numbers: tuple[float, ...]
    places: tuple[float, ...]  # 0 to 1

    def place(self, number: float) -> float:
        """Where a number stands; between levels in proportion, beyond them at the end."""
        import numpy as np

        return float(np.interp(self._straight(number), [self._straight(each) for each in self.numbers], self.places))

    def _straight(self, number: float) -> float:
        if self.kind != "log":
            return number
        return math.log(number) if number > 0 else -math.inf

    @property
    def words(self) -> str:
        """What the axis's label adds."""
        return {"linear": "", "log": ", log scale", "even": ", levels evenly spaced" if self.numbers else ""}[self.kind]


def scale(factor: Mapping[str, float | None]) -> Scale:
    """Linear or logarithmic, whichever spaces the levels more evenly; evenly where both squeeze some together.

    `factor` is level's label -> its number. Levels of which one is no number stand evenly in the file's order.
    """
    numbers = [number for number in factor.values() if number is not None]
    if len(numbers) < len(factor) or len(factor) < 2:
        return Scale("even", tuple(factor), tuple(sorted(numbers)) if len(numbers) == len(factor) else (), even(len(factor)))
    levels, ordered = zip(*sorted(zip(factor, numbers, strict=True), key=lambda item: item[1]), strict=True)
    linear = unevenness(ordered)
    logarithmic = unevenness([math.log(number) for number in ordered]) if ordered[0] > 0 else math.inf
    if min(linear, logarithmic) > UNEVEN:
        return Scale("even", levels, ordered, even(len(levels)))
    if linear <= logarithmic:
        return Scale("linear", levels, ordered, spread(ordered))
    return Scale("log", levels, ordered, spread([math.log(number) for number in ordered]))


def unevenness(numbers: Sequence[float]) -> float:
    """The widest gap over the narrowest; infinite where two numbers are the same."""
    gaps = [high - low for low, high in pairwise(numbers)]
    return max(gaps) / min(gaps) if min(gaps) > 0 else math.inf


def even(count: int) -> tuple[float, ...]:
    """Places from 0 to 1; one level stands in the middle."""
    return tuple(index / (count - 1) for index in range(count)) if count > 1 else (0.5,) * count


def spread(numbers: Sequence[float]) -> tuple[float, ...]:
    """Numbers, increasing, onto 0 to 1."""
    return tuple((number - numbers[0]) / (numbers[-1] - numbers[0]) for number in numbers)
