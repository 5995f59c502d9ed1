"""The scale of a small version of an experiment -> text."""

from __future__ import annotations

from math import floor, log10

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.phrases.numbers import count


def scale(plan: Plan | Study, large: str = "") -> str:
    """`at 1/24,000 of the compute of paper, 10,000 images, network of 32,958 parameters`; empty for other experiments.

    `large`: what the experiment of full size is called; default: its name.
    """
    if (own := plan.scale) is None:
        return ""
    networks = "network" if own.parameters[0] == own.parameters[1] else "networks"
    parts = (
        f"at {_share(own.compute)} the compute of {large or own.of}",
        f"{_range(own.cases)} {own.what}",
        f"{networks} of {_range(own.parameters)} parameters",
    )
    return ", ".join(parts)


def _share(value: float) -> str:
    """With two significant figures: `1/24,000 of`, `1/1.5 of`, or `1.2 times`."""
    return f"{_two_figures(value)} times" if value >= 1 else f"1/{_two_figures(1 / value)} of"


def _two_figures(value: float) -> str:
    """Of a value of at least 1, without an exponent."""
    if value < 10:
        return f"{value:.2g}"
    unit = 10 ** (floor(log10(value)) - 1)
    return count(round(value / unit) * unit)


def _range(values: tuple[int, int]) -> str:
    low, high = values
    return count(low) if low == high else f"{count(low)} to {count(high)}"
