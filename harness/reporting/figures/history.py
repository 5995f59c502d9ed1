"""Main figure of a search: optimization history, and the best trials on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.layout import INK, PALE, SideLabel, better_hint, new_figure, show_text, side_labels
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.search_subject import SearchSubject, SeedValues
from harness.reporting.figures.style import COLOURS, drawing
from harness.tasks.results import is_usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.4
DOT, LINE, WINNER, BASE = COLOURS[0], "#222222", COLOURS[4], COLOURS[3]
# Trials without a value: (marker, colour).
OTHERS: Mapping[str, tuple[str, str]] = {
    "pruned": ("v", "#888888"),
    "failed": ("x", COLOURS[4]),
    "diverged": ("x", COLOURS[4]),
    "infeasible": ("|", COLOURS[3]),
    "interrupted": ("+", "#999999"),
    "running": (".", "#999999"),
}
FENCE = 3.0  # interquartile ranges beyond the quartile; farther outliers are drawn at the edge


def history(subject: SearchSubject) -> Figure:
    """Left, every trial with the best so far; right, the best trials' values in the search and on fresh seeds."""
    with drawing():
        figure, (left, right) = new_figure(HEIGHT, subject.note, _key(subject), ratios=(1.45, 1.0))
        if not subject.trials:
            show_text(left, "no trial has started yet")
        else:
            _trials(left, subject)
        words = _unconfirmed(subject)
        if words:
            show_text(right, words)
        else:
            _slopes(right, subject)
    return figure


def _key(subject: SearchSubject) -> str:
    there = {trial.state for trial in subject.trials}
    marks = ["dots: completed", "line: the best so far"] if subject.completed else []
    shown = {
        "pruned": "triangles: pruned, at their last value",
        "infeasible": "bars: infeasible",
        "interrupted": "plus: interrupted, continued by another trial",
    }
    marks += [words for state, words in shown.items() if state in there]
    lost = [state for state in ("failed", "diverged") if state in there]
    marks += [f"crosses: {' or '.join(lost)}"] if lost else []
    marks += ["at the edge: no value, or far worse than the rest"] if there - {"completed", "waiting"} else []
    marks += ["right: means over seeds, small dots are seeds"] if not _unconfirmed(subject) else []
    return "; ".join(marks)


def _trials(axis: Axes, subject: SearchSubject) -> None:
    from matplotlib.ticker import MaxNLocator

    up = subject.goal == "maximize"
    done = [(trial.number, subject.value(trial)) for trial in subject.completed]
    low, high = _limits([value for _, value in done], up)
    edge = low if up else high
    held = min if up else max

    def inside(value: float) -> float:
        return edge if not is_usable(value) or held(value, edge) == value else value

    dots = _columns([(number, inside(value)) for number, value in done])
    marks = axis.plot(*dots, "o", color=DOT, markersize=4.6, alpha=0.75, zorder=3)
    set_tooltips(marks, [subject.tooltip(trial) for trial in subject.completed])
    for state, (mark, colour) in OTHERS.items():
        own = [trial for trial in subject.trials if trial.state == state]
        last = [(trial.number, inside(list((trial.curve or {0: edge}).values())[-1])) for trial in own]
        marks = axis.plot(*_columns(last), mark, color=colour, markersize=4.8, markerfacecolor="none", alpha=0.85, zorder=2)
        set_tooltips(marks, [subject.tooltip(trial) for trial in own])
    steps: list[tuple[float, float]] = []
    for number, value in done:
        if not steps or ((value > steps[-1][1]) == up and value != steps[-1][1]):
            steps.append((number, value))
    end = max(trial.number for trial in subject.trials)
    if steps:
        numbers, values = _columns([*steps, (end, steps[-1][1])])
        axis.plot(numbers, values, drawstyle="steps-post", color=LINE, linewidth=1.6, zorder=4)
        at, best = steps[-1]
        axis.plot([at], [best], "o", color=LINE, markersize=6.5, zorder=5)
        words = f"trial {at:g}: {phrases.number(best, subject.places())}"
        side: dict[str, Any] = {"ha": "right" if at > 0.6 * end else "left", "va": "bottom" if up else "top"}
        offset = (0, 6 if up else -6)
        axis.annotate(words, (at, best), offset, textcoords="offset points", fontsize=8, color=INK, **side)
    room = 0.12 * (high - low)
    axis.set_ylim((low - 0.06 * (high - low), high + room) if up else (low - room, high + 0.06 * (high - low)))
    axis.set_xlim(-0.02 * max(end, 10) - 0.3, 1.02 * max(end, 10))
    axis.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True))
    axis.set_xlabel("trial")
    axis.set_ylabel(f"{subject.axis()}, {better_hint(subject.goal, upward=True)}")


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _limits(values: Sequence[float], up: bool) -> tuple[float, float]:
    """(low, high) of the axis: all values except far outliers on the worse side."""
    from numpy import quantile

    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    first, third = (float(bound) for bound in quantile(values, (0.25, 0.75)))
    fence = FENCE * (third - first)
    if len(values) > 7 and fence > 0:
        low, high = (max(low, first - fence), high) if up else (low, min(high, third + fence))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _unconfirmed(subject: SearchSubject) -> str:
    """Why the right panel is empty; empty text if it is not."""
    if any(fresh.values for fresh in subject.confirmed.top.values()):
        return ""
    advice = "a search's best value is the\nbest of many noisy ones\nand therefore optimistic"
    first = "this search has no confirm:" if subject.study.confirm is None else "not confirmed yet:"
    return f"{first}\n{advice}"


def _slopes(axis: Axes, subject: SearchSubject) -> None:
    confirmed, by_number = subject.confirmed, {trial.number: trial for trial in subject.trials}
    labels = []
    ends = [fresh.mean for fresh in confirmed.final.values() if fresh.values]
    last = 2 if ends else 1
    base = (math.nan if subject.base is None else _searched(subject, subject.base), confirmed.final.get("base", SeedValues()))
    for number, fresh in confirmed.top.items():
        won = number == confirmed.winner
        own = confirmed.final.get("winner", SeedValues()) if won else SeedValues()
        searched = subject.value(by_number[number])
        values = [searched if is_usable(searched) else math.nan, fresh.mean, own.mean]
        colour = WINNER if won else PALE
        style: dict[str, Any] = {"color": colour, "linewidth": 2.0 if won else 1.0, "zorder": 4 if won else 2}
        axis.plot([0, 1, 2], values, "o-", markersize=6 if won else 4, **style)
        for place, each in ((1, fresh), (2, own)):
            axis.plot([place] * len(each.values), each.values, ".", color=colour, markersize=4, alpha=0.45, zorder=1)
        if fresh.values:
            shown, at = (own.mean, 2.0) if own.values else (fresh.mean, 1.0)
            words = f"trial {number}" + (" is the base" if number == subject.base else "") + (", winner" if won else "")
            labels.append(SideLabel(at, shown, words, colour))
    before, final = base
    if final.values:
        axis.plot([0, 2], [before, final.mean], "s--", color=BASE, markersize=5, linewidth=1.2, zorder=3)
        axis.plot([2] * len(final.values), final.values, ".", color=BASE, markersize=4, alpha=0.45, zorder=1)
        labels.append(SideLabel(2.0, final.mean, "base", BASE))
    seeds = subject.study.confirm.seeds if subject.study.confirm else 0
    names = ["search", f"{seeds} fresh seeds", f"{seeds} more"]
    axis.set_xticks(range(last + 1), names[: last + 1])
    axis.set_xlim(-0.25, last + 0.12)
    axis.margins(y=0.08)
    axis.set_ylim(axis.get_ylim())
    axis.grid(visible=False, axis="x")
    side_labels(axis, labels)


def _searched(subject: SearchSubject, number: int) -> float:
    found = next((trial for trial in subject.completed if trial.number == number), None)
    return math.nan if found is None else subject.value(found)
