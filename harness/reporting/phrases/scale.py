"""The scale of a small version of an experiment -> text."""

from __future__ import annotations

from math import floor, log10

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.phrases.numbers import count


def scale(plan: Plan | Study) -> str:
    """`at 1/24,000 of the compute of paper, 10,000 images, network of 32,958 parameters`; empty for other experiments."""
    if (own := plan.scale) is None:
        return ""
    networks = "network" if own.parameters[0] == own.parameters[1] else "networks"
    parts = (
        f"at {_share(own.compute)} of the compute of {own.of}",
        f"{_range(own.cases)} {own.what}",
        f"{networks} of {_range(own.parameters)} parameters",
    )
    return ", ".join(parts)


def _share(value: float) -> str:
    """With two significant figures: `1/24,000`, `1/1.5`, or `1.2 times`."""
    if value >= 1:
        return f"{value:.2g} times"
    times = 1 / value
    if times < 10:
        return f"1/{times:.2g}"
    unit = 10 ** (floor(log10(times)) - 1)
    return f"1/{count(round(times / unit) * unit)}"


def _range(values: tuple[int, int]) -> str:
    low, high = values
    return count(low) if low == high else f"{count(low)} to {count(high)}"
