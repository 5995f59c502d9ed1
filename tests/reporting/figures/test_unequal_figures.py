"""Figures of results that exist already: absent seeds leave gaps, and nothing connects unpaired runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from subjects import METRICS, crossed, doses, marks, overlapping, plan_of, runs_of, words

from harness.analysis.verdicts import table, terms
from harness.experiment.plan import Plan
from harness.reporting.figures import Subject, cost, dose, forest, grid, pair
from harness.reporting.pages.alt_text import alt_text

DESIGNS: dict[str, tuple[Plan, Callable[[Subject], Figure]]] = {
    "pair": (plan_of(("relu", "leaky_relu"), 6), pair),
    "forest": (plan_of(tuple("abcde"), 6), forest),
    "dose": (doses("dropout", (0, 0.1, 0.2, 0.5), 6), dose),
    "grid": (crossed(("0.1", "0.2"), ("cosine", "step"), 6), grid),
    "cost": (plan_of(tuple("abc"), 6), cost),
}


def given(plan: Plan, *, unpaired: bool = False, runs: int = 6) -> Subject:
    """The baseline lacks seed 5, the second variant seed 1; `runs` of each of the others."""
    base, second = list(plan.variants)[:2]
    frame = runs_of(plan)
    absent = (frame["variant"] == base) & (frame["seed"] == 5) | (frame["variant"] == second) & (frame["seed"] == 1)
    absent |= (frame["variant"] != base) & (frame["seed"] >= runs)
    frame = frame[~absent]
    known = replace(terms(plan), available=True, unpaired=unpaired)
    return Subject(plan, frame, table(known, frame), METRICS)


@pytest.mark.parametrize("unpaired", [False, True])
@pytest.mark.parametrize("name", DESIGNS)
def test_absent_runs_are_drawn_without_words_over_words(name: str, unpaired: bool) -> None:
    plan, draw = DESIGNS[name]
    subject = given(plan, unpaired=unpaired)
    figure = draw(subject)
    assert overlapping(figure) == []
    assert (f"{6 * len(plan.variants) - 2} runs" in words(figure)) == unpaired
    assert "seed" not in words(figure) or not unpaired
    assert "seed" not in "".join(alt_text(subject)) or not unpaired


def test_only_pairs_of_a_seed_are_joined() -> None:
    plan, draw = DESIGNS["pair"]
    left, right = draw(given(plan)).axes
    joined = [
        line
        for line in left.lines
        if len(line.get_xdata()) == 2 and line.get_linestyle() == "-" and line.get_color() == "#666666"
    ]
    assert len(joined) == 4
    assert "each of\n4 seeds" in [label.get_text() for label in right.get_xticklabels()]


def test_unpaired_runs_are_not_joined_and_have_no_differences_of_their_own() -> None:
    plan, draw = DESIGNS["pair"]
    subject = given(plan, unpaired=True)
    left, right = draw(subject).axes
    assert not [line for line in left.lines if line.get_color() == "#666666"]
    assert [mark for mark, *_ in marks(right)] == ["D"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["unpaired,\n5 and 5 runs,\n95 % interval"]


def test_one_unpaired_run_has_a_difference_without_an_interval() -> None:
    plan, draw = DESIGNS["pair"]
    subject = given(plan, unpaired=True, runs=1)
    _, right = draw(subject).axes
    assert subject.rows["leaky_relu"].interval is None
    assert [(mark, y) for mark, _, y, _ in marks(right)] == [("D", subject.rows["leaky_relu"].difference)]
    assert "a variant has no value" in words(draw(given(plan, unpaired=True, runs=0)))


def test_the_doses_of_unpaired_runs_are_dots() -> None:
    plan, draw = DESIGNS["dose"]
    assert any(isinstance(each, LineCollection) for each in draw(given(plan)).axes[0].collections)
    assert not any(isinstance(each, LineCollection) for each in draw(given(plan, unpaired=True)).axes[0].collections)


def test_the_rows_of_a_forest_have_their_counts() -> None:
    plan, draw = DESIGNS["forest"]
    assert "n = 4" in words(draw(given(plan)))
    assert "n = 5, 5" in words(draw(given(plan, unpaired=True)))
    assert "n = 6, 5" in words(draw(given(plan, unpaired=True)))
