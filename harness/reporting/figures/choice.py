"""Chooses the main figure by the plan's design."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from harness.experiment.claims import is_grid
from harness.experiment.plan import Plan
from harness.reporting.figures.dose import dose
from harness.reporting.figures.forest import forest
from harness.reporting.figures.grid import grid
from harness.reporting.figures.pair import pair
from harness.reporting.figures.single import single_variant
from harness.reporting.figures.subject import Subject

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Design = Literal["one", "pair", "dose", "grid", "forest"]

FIGURES: Mapping[Design, Callable[[Subject], Figure]] = {"pair": pair, "dose": dose, "grid": grid, "forest": forest}


def design(plan: Plan) -> Design:
    """One variant, two, doses of one factor, two crossed factors, or anything else (forest)."""
    if len(plan.variants) == 1:
        return "one"
    if len(plan.variants) == 2:
        return "pair"
    numbers = [number for levels in plan.factors.values() for number in levels.values()]
    if len(plan.factors) == 1 and None not in numbers:
        return "dose"
    return "grid" if len(plan.factors) == 2 and is_grid(plan.levels) else "forest"


def main_figure(subject: Subject, epochs: pd.DataFrame) -> Figure:
    """The figure of the plan's design; `epochs` (`load_curves`) are drawn for a single variant."""
    kind = design(subject.plan)
    return single_variant(subject, epochs, subject.table.metric) if kind == "one" else FIGURES[kind](subject)
