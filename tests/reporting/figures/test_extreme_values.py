"""Any values whatever are drawn or said, without a warning: huge, tiny, infinite, missing, constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np
import pandas as pd
import pytest
from examples import ACCURACY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from subjects import crossed, doses, overlapping, plan_of, runs_of, subject_of, words

from harness.experiment.plan import Plan
from harness.reporting.figures import Subject, cost, curves, dose, facets, forest, grid, pair, single_variant
from harness.reporting.figures.style import PIXELS_PER_INCH, drawing

pytestmark = pytest.mark.slow

DESIGNS: dict[str, tuple[Plan, Callable[[Subject], Figure]]] = {
    "pair": (plan_of(("relu", "leaky_relu")), pair),
    "forest": (plan_of(tuple("abcd")), forest),
    "dose": (doses("dropout", (0, 0.1, 0.2)), dose),
    "grid": (crossed(("0.1", "0.2"), ("cosine", "step")), grid),
    "cost": (plan_of(tuple("abc")), cost),
}
EXTREMES = {
    "largest": (1.7e308, -1.7e308),
    "their sum overflows": (1e308,),
    "the largest that are drawn": (1e75, -1e75, 3.0),
    "denormal": (5e-324, 1e-310),
    "of all sizes": (1e75, 1e-300, 0.0),
    "constant": (2.5,),
    "next to each other": (1.0, math.nextafter(1.0, 2.0)),
    "infinite": (math.inf, 1.0, -math.inf),
    "missing": (math.nan,),
}
DRAWN = ("largest", "the largest that are drawn", "denormal", "of all sizes", "infinite")  # in every design


def laid_out(figure: Figure) -> Figure:
    """Drawn as it is when it is saved; a warning is an error."""
    with drawing():
        figure.dpi = PIXELS_PER_INCH
        figure.draw_without_rendering()
    return figure


def with_values(plan: Plan, values: Sequence[float]) -> pd.DataFrame:
    """Completed runs with these values, in turn, and sizes."""
    frame = runs_of(plan)
    given_ones = list(islice(cycle(values), len(frame)))
    return frame.assign(test_accuracy=given_ones, train_loss=given_ones, parameters=np.abs(given_ones))


def epochs_with(values: Sequence[float], variants: Sequence[str] = ("a", "b")) -> pd.DataFrame:
    """Three epochs of two seeds, with these values in turn."""
    places = [(variant, seed, epoch) for variant in variants for seed in range(2) for epoch in (1, 2, 3)]
    frame = pd.DataFrame(places, columns=["variant", "seed", "epoch"]).assign(id="0" * 12, state="completed")
    return frame.assign(test_accuracy=list(islice(cycle(values), len(frame))), train_loss=1.0)


@pytest.mark.parametrize("values", [EXTREMES[name] for name in DRAWN], ids=DRAWN)
@pytest.mark.parametrize("name", DESIGNS)
def test_extreme_values_are_drawn_without_words_over_words(name: str, values: Sequence[float]) -> None:
    plan, draw = DESIGNS[name]
    figure = laid_out(draw(subject_of(plan, with_values(plan, values))))
    assert overlapping(figure) == []
    if all(abs(value) > 1e75 for value in values):
        assert "infinite or beyond 1e75, too large to draw" in words(figure).replace("\n", " ")


@pytest.mark.parametrize("values", EXTREMES.values(), ids=EXTREMES)
def test_curves_of_extreme_values_are_drawn(values: Sequence[float]) -> None:
    frame = epochs_with(values)
    beyond = int((frame["test_accuracy"].abs() > 1e75).sum())
    figure = laid_out(curves(frame, ACCURACY, ("a", "b")))
    assert overlapping(figure) == []
    assert (f"{beyond} values infinite or beyond 1e75 not drawn" in words(figure).replace("\n", " ")) == bool(beyond)
    laid_out(facets(frame, "test_accuracy", ACCURACY["test_accuracy"], ("a", "b")))
    one = plan_of(("a",))
    laid_out(single_variant(subject_of(one, with_values(one, values)), frame[frame["variant"] == "a"], "test_accuracy"))


@settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(st.floats(), min_size=1, max_size=12))
@pytest.mark.parametrize("name", DESIGNS)
def test_whatever_the_values_there_is_a_figure(name: str, values: list[float]) -> None:
    plan, draw = DESIGNS[name]
    figure = laid_out(draw(subject_of(plan, with_values(plan, values))))
    assert any(text.strip() for text in words(figure).split("|"))
