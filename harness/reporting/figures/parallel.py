"""Parallel coordinates of a search: a line per trial through its parameters to its objective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.experiment.space import Categorical, Range, shown
from harness.reporting import phrases
from harness.reporting.figures.layout import INK, new_figure, wrap_label
from harness.reporting.figures.search_subject import SearchSubject, position, shades
from harness.reporting.figures.style import drawing
from harness.search.trials import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.6
MOST = 9  # parameters
MOST_TRIALS = 500  # lines; beyond, only the best
LETTERS = 96  # of all axis names side by side


def parallel(subject: SearchSubject) -> Figure:
    """Completed trials, dark for the best; a gap where a parameter is inactive. The last axis is the objective."""
    sign = -1.0 if subject.goal == "maximize" else 1.0
    trials = sorted(subject.completed, key=lambda trial: (sign * subject.value(trial), trial.number))[:MOST_TRIALS]
    shares = next(iter(subject.importances.values()), {})
    largest = sorted(subject.study.space, key=lambda parameter: -shares.get(parameter.name, 0.0))[:MOST]
    space = [parameter for parameter in subject.study.space if parameter in largest]
    key = ["a line a completed trial, darker for better ones; black: the best"]
    key += [f"the best {MOST_TRIALS} of {len(subject.completed)} trials"] if len(trials) < len(subject.completed) else []
    whole = len(subject.study.space)
    key += [f"the {MOST} most important of {whole} parameters"] if len(space) < whole else []
    key += ["a gap: the parameter is inactive in the trial"] if any(parameter.when for parameter in space) else []
    with drawing():
        figure, (axis,) = new_figure(HEIGHT, subject.note, "; ".join(key))
        _lines(axis, subject, space, trials)
        _scales(axis, subject, space, trials)
    return figure


def _lines(axis: Axes, subject: SearchSubject, space: list[Range | Categorical], trials: list[Trial]) -> None:
    values = [subject.value(trial) for trial in trials]
    low, high = min(values), max(values)
    colours = shades(values, upward=subject.goal == "maximize")
    for rank, (trial, value) in enumerate(zip(trials, values, strict=True)):
        places = [
            position(parameter, trial.values[parameter.name]) if parameter.name in trial.values else math.nan
            for parameter in space
        ]
        places.append((value - low) / (high - low) if high > low else 0.5)
        first = rank == 0
        style: dict[str, Any] = {"linewidth": 0.9, "color": colours[rank], "alpha": 0.6}
        if first:
            style = {"linewidth": 2.2, "color": INK, "alpha": 1.0}
        # The markers show a value between two gaps, which has no line.
        axis.plot(range(len(places)), places, "o-", markersize=3.4 if first else 2, zorder=1000 - rank, **style)


def _scales(axis: Axes, subject: SearchSubject, space: list[Range | Categorical], trials: list[Trial]) -> None:
    """A vertical line per parameter with its ends or options, and its name below."""
    values, count = [subject.value(trial) for trial in trials], len(space) + 1
    marks = []
    for parameter in space:
        if isinstance(parameter, Categorical):
            options = phrases.shorten(list(parameter.options), 14)
            marks.append([(place / (len(options) - 1), option) for place, option in enumerate(options)])
        else:
            whole = int if parameter.integer else float
            marks.append([(0.0, shown(whole(parameter.low))), (1.0, shown(whole(parameter.high)))])
    ends = sorted({min(values), max(values)})
    heights = (0.0, 1.0) if len(ends) > 1 else (0.5,)
    marks.append([(height, phrases.number(end, subject.places())) for height, end in zip(heights, ends, strict=True)])
    for place, own in enumerate(marks):
        axis.axvline(place, color="#999999", linewidth=0.8, zorder=0)
        for height, words in own:
            _say(axis, place, height, words, beside=place < len(space) and isinstance(space[place], Categorical))
    width = max(LETTERS // count, 8)
    names = [f"{parameter.name}{' (log)' if isinstance(parameter, Range) and parameter.log else ''}" for parameter in space]
    axis.set_xticks(range(count), [wrap_label(name, width) for name in (*names, subject.axis())], fontsize=8)
    axis.set_yticks([])
    axis.set_xlim(-0.08, count - 0.92)
    axis.set_ylim(-0.1, 1.1)
    axis.grid(visible=False)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
    axis.tick_params(length=0)


def _say(axis: Axes, place: int, height: float, words: str, beside: bool) -> None:
    """A label of a scale: options beside their position, ends above and below the line."""
    box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7.5, "color": INK, "va": "center", "bbox": box}
    if beside:
        axis.annotate(words, (place, height), (5, 0), ha="left", zorder=2000, **style)
    else:
        axis.annotate(words, (place, height), (0, 9 if height > 0 else -9), ha="center", zorder=2000, **style)
