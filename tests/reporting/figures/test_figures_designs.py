"""The figures of designs: what is drawn where, what is held back before a look, and words in the place of a blank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples import REHEARSAL, changed
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from subjects import crossed, doses, marks, overlapping, plan_of, runs_of, subject_of, verdict, words

from harness.experiment.claims import ComparisonClaim, DeclineClaim, ProportionClaim, RangeClaim
from harness.experiment.claims.model import ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting.figures import Subject, cost, dose, forest, grid, main_figure, pair, save
from harness.reporting.figures.choice import design
from harness.reporting.figures.forest import MOST_ROWS
from harness.reporting.figures.style import COLOURS

COMPONENTS = ("full", "without crop", "without flip", "bare", "only crop", "only flip")
OVER = {"full": "bare", "without crop": "full", "without flip": "full", "bare": "bare", "only crop": "bare", "only flip": "bare"}
LONG = tuple(f"a long label that goes on and on, number {place} of some with w=0.{place}" for place in range(12))

DESIGNS: dict[str, tuple[Plan, Callable[[Subject], Figure]]] = {
    "pair": (plan_of(("relu", "leaky_relu")), pair),
    "forest": (plan_of(tuple("abcde")), forest),
    "components": (plan_of(COMPONENTS, over=OVER), forest),
    "dose": (doses("dropout", (0, 0.1, 0.2, 0.5)), dose),
    "grid": (crossed(("0.1", "0.2"), ("cosine", "step")), grid),
    "cost": (plan_of(tuple("abc")), cost),
}


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seeds", [1, 2, 20])
def test_any_number_of_seeds_is_drawn_without_words_over_words(name: str, seeds: int) -> None:
    plan, draw = DESIGNS[name]
    more = plan_of(tuple(plan.variants), seeds, **{key: getattr(plan, key) for key in ("factors", "levels", "over")})
    assert overlapping(draw(subject_of(more))) == []


def test_the_words_for_an_interval_at_an_early_look_have_room() -> None:
    plan = plan_of(("relu", "leaky_relu"), 20)
    subject = subject_of(plan)
    figure = pair(replace(subject, table=replace(subject.table, level=0.0066)))
    assert "mean,\n99.34 % interval" in words(figure)
    assert overlapping(figure) == []


@pytest.mark.parametrize("name", DESIGNS)
def test_no_run_yet_says_so(name: str) -> None:
    plan, draw = DESIGNS[name]
    figure = draw(subject_of(plan, runs_of(plan, ended=0)))
    assert "no run has completed yet" in words(figure)
    assert not any(axis.lines for axis in figure.axes)


@pytest.mark.parametrize("name", DESIGNS)
def test_all_runs_failed_says_so(name: str) -> None:
    plan, draw = DESIGNS[name]
    states = {(run.variant, run.seed): "diverged" if run.seed else "failed" for run in plan.runs}
    assert f"all {len(plan.runs)} runs failed or diverged" in words(draw(subject_of(plan, runs_of(plan, states))))


@pytest.mark.parametrize("name", DESIGNS)
def test_before_a_look_there_are_seeds_and_neither_means_nor_differences(name: str) -> None:
    plan, draw = DESIGNS[name]
    runs = runs_of(plan, ended=2)
    figure = draw(subject_of(plan, runs))
    assert f"{2 * len(plan.variants)} of {3 * len(plan.variants)} runs completed" in words(figure)
    values = set(np.round(runs["test_accuracy"].dropna(), 6))
    drawn = {round(float(y), 6) for axis in figure.axes for line in axis.lines for y in np.ravel(line.get_ydata())}
    drawn |= {round(float(x), 6) for axis in figure.axes for line in axis.lines for x in np.ravel(line.get_xdata())}
    means = {round(float(mean), 6) for mean in runs.groupby("variant")["test_accuracy"].mean()}
    assert values <= drawn
    assert not means & drawn
    # A line between two dots would tell their difference by its slope.
    assert all(line.get_linestyle() == "None" for axis in figure.axes for line in axis.lines)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_rehearsal_is_marked(name: str) -> None:
    plan, draw = DESIGNS[name]
    assert REHEARSAL in words(draw(subject_of(changed(plan, profile="smoke"))))


@pytest.mark.parametrize("name", DESIGNS)
def test_files_are_the_same_bits_each_time(name: str, tmp_path: Path) -> None:
    plan, draw = DESIGNS[name]
    first, second = (save(draw(subject_of(plan)), tmp_path / folder, "figure") for folder in ("one", "two"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


@pytest.mark.parametrize("draw", [forest, cost])
def test_twelve_long_labels_lie_beside_each_other(draw: Callable[[Subject], Figure]) -> None:
    assert overlapping(draw(subject_of(plan_of(LONG)))) == []


def test_two_long_labels_fit_into_the_pair() -> None:
    assert overlapping(pair(subject_of(plan_of(LONG[:2])))) == []


def test_a_label_is_text_whatever_it_holds() -> None:
    names = ("$x_{b}$ & <b>", "naïve%\\alpha")
    assert all(name in words(pair(subject_of(plan_of(names)))) for name in names)


def test_lost_runs_are_counted() -> None:
    plan = plan_of(("relu", "leaky_relu"), 4)
    figure = pair(subject_of(plan, runs_of(plan, {("relu", 1): "failed", ("leaky_relu", 2): "diverged"})))
    assert "4 seeds, without 1 failed and 1 diverged" in words(figure)
    assert "each of\n2 seeds" in words(figure)


def test_the_pair_joins_each_seeds_values() -> None:
    subject = subject_of(plan_of(("relu", "leaky_relu")))
    left = pair(subject).axes[0]
    joined = [list(line.get_ydata()) for line in left.lines if list(line.get_xdata()) == [0, 1]]
    assert joined == subject.values[["relu", "leaky_relu"]].to_numpy().tolist()


def test_the_pair_shows_difference_interval_zero_and_margin() -> None:
    subject = subject_of(plan_of(("relu", "leaky_relu")))
    row = subject.rows["leaky_relu"]
    figure = pair(subject)
    right = figure.axes[1]
    assert row.interval is not None
    assert [y for marker, _, y, _ in marks(right) if marker == "D"] == [pytest.approx(row.difference)]
    assert any(tuple(line.get_ydata()) == row.interval for line in right.lines)
    assert any(tuple(line.get_ydata()) == (0, 0) for line in right.lines)
    low, high = right.get_ylim()
    assert low < -0.25 < 0.25 < high
    assert f"{row.difference:+.2f} pp\n[{row.interval[0]:+.2f}, {row.interval[1]:+.2f}]" in words(figure)
    assert "±0.25 pp\nmargin" in words(figure)


def test_the_baseline_stands_left_wherever_it_is_in_the_file() -> None:
    plan = plan_of(("relu", "leaky_relu"), baseline="leaky_relu", over=dict.fromkeys(("relu", "leaky_relu"), "leaky_relu"))
    figure = pair(subject_of(plan))
    assert [label.get_text().split("\n")[0] for label in figure.axes[0].get_xticklabels()] == ["leaky_relu", "relu"]
    assert "relu minus leaky_relu" in words(figure)
    # Colours go by the place in the plan.
    assert next(fill for *_, fill in marks(figure.axes[0])) == COLOURS[1]


def test_one_seed_has_a_difference_but_no_interval() -> None:
    figure = pair(subject_of(plan_of(("relu", "leaky_relu"), 1)))
    assert "interval" not in words(figure)
    assert [marker for marker, *_ in marks(figure.axes[1])] == ["o"]


def test_less_is_better_where_it_is() -> None:
    subject = subject_of(plan_of(("relu", "leaky_relu")), metric="train_loss")
    assert "(nats, down is better)" in words(pair(subject))
    assert "\N{LEFTWARDS ARROW} better" in words(forest(subject))


def test_a_forest_is_sorted_best_first() -> None:
    plan = plan_of(tuple("abcde"))
    order = [label.get_text() for label in forest(subject_of(plan)).axes[0].get_yticklabels()]
    assert order == ["e", "d", "c", "b"]
    less = [label.get_text() for label in forest(subject_of(plan, metric="train_loss")).axes[0].get_yticklabels()]
    assert less == ["b", "c", "d", "e"]


def test_exploratory_rows_are_open_and_claimed_ones_filled() -> None:
    claim = ComparisonClaim(kind="improves", metric="test_accuracy", variants=("b",), over=("a",), margin=0.25)
    subject = subject_of(plan_of(tuple("abc"), claims=(claim,)))
    assert [row.claimed for row in subject.table.rows] == [False, True, False]
    figure = forest(subject)
    assert [fill for *_, fill in marks(figure.axes[0])] == ["white", COLOURS[1]]
    assert "open: exploratory" in words(figure)


def test_components_have_a_panel_for_full_and_one_for_bare() -> None:
    axes = forest(subject_of(plan_of(COMPONENTS, over=OVER))).axes
    assert [sorted(label.get_text() for label in axis.get_yticklabels()) for axis in axes] == [
        ["without crop", "without flip"],
        ["full", "only crop", "only flip"],
    ]
    assert [axis.get_xlabel() for axis in axes] == [
        f"difference from {over} (pp), better \N{RIGHTWARDS ARROW}" for over in ("full", "bare")
    ]


def test_a_forest_of_hundreds_shows_the_outermost() -> None:
    plan = plan_of(tuple(f"v{place}" for place in range(MOST_ROWS + 41)), 2)
    figure = forest(subject_of(plan))
    assert len(figure.axes[0].get_yticks()) == MOST_ROWS
    assert f"the {MOST_ROWS} outermost of {MOST_ROWS + 40} rows" in words(figure).replace("\n", " ")


def test_a_variant_without_a_pair_has_words_in_its_row() -> None:
    plan = plan_of(tuple("abc"))
    states = {("b", seed): "diverged" for seed in range(3)}
    assert "no pair of values" in words(forest(subject_of(plan, runs_of(plan, states))))


def test_possible_optima_are_filled_and_the_claimed_range_is_shaded() -> None:
    claims = (
        RangeClaim(metric="test_accuracy", factor="dropout", inside=(0.1, 0.2), margin=0.25),
        DeclineClaim(metric="test_accuracy", factor="dropout", beyond=0.2),
    )
    subject = subject_of(doses("dropout", (0, 0.1, 0.2, 0.5)), verdicts=[verdict(claims[0], ("0.2", "0.5")), verdict(claims[1])])
    figure = dose(subject)
    axis = figure.axes[0]
    assert [fill for marker, *_, fill in marks(axis) if marker == "o"] == ["white", "white", COLOURS[0], COLOURS[0]]
    (band,) = axis.patches
    assert (
        band.get_extents().transformed(axis.transData.inverted()).x0,
        band.get_extents().transformed(axis.transData.inverted()).x1,
    ) == (
        pytest.approx(0.2),
        pytest.approx(0.4),
    )
    assert "claimed best: 0.1 to 0.2" in words(figure)
    assert "claimed: declines beyond 0.2" in words(figure)
    assert "filled: may be the best; open: is not" in words(figure)


def test_a_claim_of_another_metric_marks_no_dose() -> None:
    claim = RangeClaim(metric="train_loss", factor="dropout", inside=(0.1, 0.2), margin=0.25)
    figure = dose(subject_of(doses("dropout", (0, 0.1, 0.2)), verdicts=[verdict(claim, ("0",))]))
    assert not figure.axes[0].patches
    assert {fill for marker, *_, fill in marks(figure.axes[0]) if marker == "o"} == {COLOURS[0]}


def test_a_claim_of_proportion_names_its_dose() -> None:
    claim = ProportionClaim(metric="test_accuracy", factor="width", beyond=32, dose="parameters")
    figure = dose(subject_of(doses("width", (16, 32, 48, 64)), verdicts=[verdict(claim)]))
    assert "claimed: no gain in proportion to parameters beyond 32" in words(figure)


def test_dose_intervals_are_those_of_the_means() -> None:
    subject = subject_of(doses("dropout", (0, 0.1, 0.2)))
    drawn = [tuple(line.get_ydata()) for line in dose(subject).axes[0].lines if line.get_linewidth() > 2]
    assert drawn == [subject.interval(subject.values[variant]) for variant in subject.variants]


def test_a_grid_has_a_line_a_level_of_the_second_factor() -> None:
    subject = subject_of(crossed(("0.1", "0.2", "0.4"), ("cosine", "step")))
    axis = grid(subject).axes[0]
    lines = [line for line in axis.lines if len(line.get_xdata()) == 3 and line.get_linewidth() > 1.6]
    assert [list(line.get_ydata()) for line in lines] == [
        [pytest.approx(subject.rows[f"lr={lr}, schedule={name}"].mean) for lr in ("0.1", "0.2", "0.4")]
        for name in ("cosine", "step")
    ]
    assert [text.get_text() for text in axis.texts if text.get_text()] == ["schedule=cosine", "schedule=step"]
    # Side by side, so that intervals do not cover each other.
    assert all(np.diff([line.get_xdata()[place] for line in lines]) > 0 for place in range(3))


def test_cost_is_logarithmic_in_the_parameters() -> None:
    subject = subject_of(plan_of(tuple("abc")))
    axis = cost(subject).axes[0]
    assert axis.get_xscale() == "log"
    assert [(x, y) for _, x, y, _ in marks(axis)] == [
        (1000.0 * 2**place, pytest.approx(subject.rows[name].mean)) for place, name in enumerate("abc")
    ]
    assert [text.get_text() for text in axis.figure.legends[0].get_texts()] == list("abc")


def test_many_variants_get_a_legend_below_their_cost() -> None:
    figure = cost(subject_of(changed(plan_of(LONG), profile="smoke")))
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 12
    assert legend.get_window_extent().y1 <= figure.axes[0].get_tightbbox().y0
    assert overlapping(figure) == []


def test_the_margin_is_the_claims_own() -> None:
    claim = ComparisonClaim(kind="improves", metric="train_loss", variants=("b",), over=("a",), margin=0.01)
    plan = plan_of(("a", "b"), claims=(claim,))
    assert subject_of(plan, metric="train_loss").margin == 0.01
    assert subject_of(plan).margin is None
    unclaimed = plan_of(("a", "b"))
    assert subject_of(unclaimed, metric="train_loss").margin is None
    assert subject_of(unclaimed).margin == 0.25


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (plan_of(("base",)), "one"),
        (plan_of(("relu", "leaky_relu")), "pair"),
        (doses("dropout", (0, 0.5)), "pair"),
        (doses("dropout", (0, 0.1, 0.5)), "dose"),
        (crossed(("0.1", "0.2"), ("cosine", "step")), "grid"),
        (plan_of(tuple("abc")), "forest"),
        (plan_of(COMPONENTS, over=OVER), "forest"),
        (plan_of(tuple("abc"), factors={"x": {"a": 1.0, "b": None, "c": 2.0}}), "forest"),
        (plan_of(tuple("abc"), factors={"x": {"0": 0.0, "1": 1.0}, "y": {"0": 0.0, "1": 1.0}}), "forest"),
    ],
)
def test_the_design_decides(plan: Plan, kind: str) -> None:
    assert design(plan) == kind


def test_the_main_figure_is_the_designs() -> None:
    subject = subject_of(plan_of(tuple("abc")))
    assert words(main_figure(subject, subject.runs.iloc[:0])) == words(forest(subject))
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=86.968)
    one = subject_of(plan_of(("base",)), verdicts=[verdict(claim)])
    figure = main_figure(one, one.runs.assign(epoch=1))
    assert figure.axes[0].get_xlabel() == "epoch"
    assert "claimed: at least 86.968" in words(figure)
    assert any(isinstance(each, LineCollection) for each in figure.axes[0].collections)
