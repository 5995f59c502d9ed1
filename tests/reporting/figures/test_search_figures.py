"""Figures of a search: what is drawn for every state, what is said where there is nothing, and that names do no harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from searched import study_of, trials_of
from subjects import words

from harness.experiment.study import Study
from harness.reporting import figures
from harness.reporting.figures import ConfirmationResults, SearchSubject, SeedValues
from harness.reporting.figures.search_subject import position
from harness.search.trials import Trial
from harness.tasks.protocol import Metric

METRICS = {"validation_accuracy": Metric("%", "maximize"), "parameters": Metric("parameters", "minimize", exact=True)}
DRAWN = (figures.history, figures.slices, figures.parallel)


def subject(
    study: Study | None = None, trials: list[Trial] | None = None, confirmed: ConfirmationResults | None = None
) -> SearchSubject:
    study = study or study_of()
    found = trials_of(study) if trials is None else trials
    return SearchSubject(study, tuple(found), METRICS, confirmed or ConfirmationResults(), base=0)


def steps(figure: Figure) -> list[float]:
    """The best so far."""
    (line,) = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    return [float(value) for value in line.get_ydata()]


def test_the_best_so_far_never_falls_and_ends_at_the_best() -> None:
    shown = subject()
    found = steps(figures.history(shown))
    assert found == sorted(found)
    assert shown.best is not None
    assert found[-1] == shown.value(shown.best)


def test_where_less_is_better_the_best_so_far_never_rises() -> None:
    study = study_of(objectives={"parameters": "minimize"})
    found = steps(figures.history(subject(study, trials_of(study))))
    assert found == sorted(found, reverse=True)


def test_every_trial_has_a_mark() -> None:
    shown = subject()
    axis = figures.history(shown).axes[0]
    marks = [len(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "None"]
    assert sum(marks) == len(shown.trials) + 1  # the best once more


def test_one_value_far_off_does_not_hide_the_others() -> None:
    trials = trials_of(study_of())
    trials[1] = replace(trials[1], objectives={"validation_accuracy": -1e6})
    assert figures.history(subject(trials=trials)).axes[0].get_ylim()[0] > 0


def test_nothing_confirmed_is_said_in_words() -> None:
    assert "not confirmed yet" in words(figures.history(subject()))
    assert "this search has no confirm" in words(figures.history(subject(study_of(confirm=None))))


def test_slopes_lead_from_the_search_to_fresh_seeds_and_mark_the_winner() -> None:
    top = {20: SeedValues((89.0, 89.2), ("a", "b")), 6: SeedValues((88.0, 88.4), ("c", "d"))}
    final = {"base": SeedValues((88.0, 88.2), ("e", "f")), "winner": SeedValues((89.1, 89.3), ("g", "h"))}
    shown = subject(confirmed=ConfirmationResults(top, 20, final))
    figure = figures.history(shown)
    said = words(figure)
    assert "trial 20, winner" in said
    assert "trial 6" in said
    assert "base" in said
    lines = {tuple(line.get_xdata()): list(line.get_ydata()) for line in figure.axes[1].lines if line.get_linestyle() == "--"}
    assert lines[0, 2] == [shown.value(shown.trials[0]), pytest.approx(88.1)]


def test_log_ranges_have_log_axes_and_options_their_names() -> None:
    axes = {axis.get_xlabel().partition(",")[0]: axis for axis in figures.slices(subject()).axes}
    assert [axes[name].get_xscale() for name in ("lr", "momentum", "width")] == ["log", "linear", "linear"]
    assert [label.get_text() for label in axes["optimizer"].get_xticklabels()] == ["sgd", "adam"]


def test_a_slice_has_the_trials_that_have_the_parameter() -> None:
    shown = subject()
    axes = {axis.get_xlabel(): axis for axis in figures.slices(shown).axes}
    drawn = len(axes["momentum"].collections[0].get_offsets())  # type: ignore[arg-type]
    assert drawn == sum("momentum" in trial.values for trial in shown.completed) < len(shown.completed)


def test_positions_run_from_0_to_1() -> None:
    lr, optimizer, _, width = study_of().space
    assert [position(lr, value) for value in (0.001, 1.0)] == [0.0, pytest.approx(1.0)]
    assert [position(optimizer, value) for value in ("sgd", "adam")] == [0.0, 1.0]
    assert position(width, 36) == 0.5


def test_parallel_coordinates_have_a_line_a_trial_and_the_best_in_black() -> None:
    shown = subject()
    lines = [line for line in figures.parallel(shown).axes[0].lines if len(line.get_xdata()) == 5]
    assert len(lines) == len(shown.completed)
    assert [line.get_linewidth() for line in lines].count(2.2) == 1


def test_the_front_is_joined_and_numbered() -> None:
    study = study_of(objectives={"validation_accuracy": "maximize", "parameters": "minimize"}, pruner="none")
    (axis,) = figures.pareto(subject(study, trials_of(study))).axes
    beaten, front = axis.lines
    assert len(beaten.get_xdata()) > len(front.get_xdata()) == len(axis.texts)
    heights = list(front.get_ydata())
    assert heights == sorted(heights)


def test_importance_has_dots_by_size() -> None:
    shown = replace(subject(), importances={"validation_accuracy": {"lr": 0.7, "width": 0.3}})
    (axis,) = figures.importance(shown).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["lr", "width"]
    assert not axis.patches  # no bars


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("count", [1, 2, 31])
def test_any_number_of_trials_can_be_drawn(draw: Callable[[SearchSubject], Figure], count: int, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figures.save(draw(subject(trials=trials_of(study_of(), count))), tmp_path, "figure")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    assert dict(mpl.rcParams) == before


def test_no_trial_at_all_is_said() -> None:
    assert "no trial has started yet" in words(figures.history(subject(trials=[])))


@pytest.mark.parametrize("name", ["$x_{a}$ <b>", "p" * 90, "a.b.c\\n%"])
def test_no_name_harms_a_figure(name: str, tmp_path: Path) -> None:
    plain = study_of()
    space = [{**each.model_dump(), "name": name if each.name == "width" else each.name} for each in plain.space]
    trials = [
        replace(trial, values={name if key == "width" else key: value for key, value in trial.values.items()})
        for trial in trials_of(plain)
    ]
    for draw in DRAWN:
        figure = draw(subject(study_of(space=space), trials))
        figures.save(figure, tmp_path, draw.__name__)
        assert (tmp_path / f"{draw.__name__}.svg").read_text().rstrip().endswith("</svg>")
    labels = [axis.get_xlabel() for axis in figures.slices(subject(study_of(space=space), trials)).axes]
    assert any(label.startswith(name[:12]) for label in labels)  # a long one is shortened in its middle
