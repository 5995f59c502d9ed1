"""Positions of a factor's levels on an axis: to scale if readable, else evenly spaced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

UNEVEN = 6.0  # ratio of widest to narrowest gap beyond which a scale is not readable


@dataclass(frozen=True)
class Scale:
    """Levels by increasing number with their positions. `numbers` is empty if some level is not a number: spacing is even."""

    kind: Literal["linear", "log", "even"]
    levels: tuple[str, ...]
    numbers: tuple[float, ...]
    places: tuple[float, ...]  # 0 to 1

    def place(self, number: float) -> float:
        """The position of a number, interpolated between levels and clipped beyond them."""
        import numpy as np

        return float(np.interp(self._straight(number), [self._straight(each) for each in self.numbers], self.places))

    def _straight(self, number: float) -> float:
        if self.kind != "log":
            return number
        return math.log(number) if number > 0 else -math.inf

    @property
    def suffix(self) -> str:
        """Suffix of the axis label."""
        return {"linear": "", "log": ", log scale", "even": ", levels evenly spaced" if self.numbers else ""}[self.kind]


def scale(factor: Mapping[str, float | None]) -> Scale:
    """Linear or logarithmic, whichever spaces the levels more evenly; even spacing if neither is readable.

    `factor`: level -> number. If some level is not a number, spacing is even in the file's order.
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
    """Widest gap over narrowest; infinite if two numbers are equal."""
    gaps = [high - low for low, high in pairwise(numbers)]
    return max(gaps) / min(gaps) if min(gaps) > 0 else math.inf


def even(count: int) -> tuple[float, ...]:
    """Even positions from 0 to 1; a single one is at 0.5."""
    return tuple(index / (count - 1) for index in range(count)) if count > 1 else (0.5,) * count


def spread(numbers: Sequence[float]) -> tuple[float, ...]:
    """Increasing numbers scaled to 0 to 1."""
    return tuple((number - numbers[0]) / (numbers[-1] - numbers[0]) for number in numbers)
