"""Forest plot: each variant's difference, sorted, with interval and margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.analysis.verdicts import Row
from harness.reporting import phrases
from harness.reporting.figures.layout import BAND, INK, PALE, better_hint, bounds, empty_figure, new_figure, signed
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.subject import Subject
from harness.reporting.figures.ticks import fit_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
ROW = 0.25
FRAME = 0.8
LEAST = 2.0

MOST_ROWS = 60  # beyond, only the largest differences are shown
WIDE, NARROW = 40, 20  # letters of a label, in one panel and in each of two


def forest(subject: Subject) -> Figure:
    """A row per variant; a panel for each variant that others are compared with (`full` and `bare` of components).

    Filled marks: claimed; open ones: exploratory. Before the first look: values by seed, no differences.
    """
    if subject.values.empty:
        return empty_figure(subject)
    if not subject.compared:
        return _values(subject)
    groups = groups_of(subject)
    cut = max(len(rows) for rows in groups.values())
    panels = {over: extreme(rows) for over, rows in groups.items()}
    height = max(FRAME + ROW * max(len(rows) for rows in panels.values()), LEAST)
    rows = [row for own in panels.values() for row in own]
    each = "each " if len(rows) > 1 else ""
    paired = "paired by seed" if not any(row.cases for row in rows) else "over seeds or cases, see its claim"
    paired = "over cases" if all(row.cases for row in rows) else paired
    paired = "unpaired" if subject.unpaired else paired
    key = [f"mean difference, {paired}", f"{each}{subject.level}", subject.basis]
    if not all(row.claimed for row in rows):
        key.append("filled: claimed; open: exploratory")
    if subject.margin is not None:
        key.append(f"shaded: margin {subject.margin_words}")
    if cut > MOST_ROWS:
        key.append(f"the {MOST_ROWS} outermost of {cut} rows")
    with drawing():
        figure, axes = new_figure(height, phrases.rehearsal(subject.plan), "; ".join(key), ratios=[1.0] * len(panels))
        for axis, (over, own) in zip(axes, panels.items(), strict=True):
            _panel(axis, subject, over, own, NARROW if len(panels) > 1 else WIDE)
            axis.set_ylim(max(map(len, panels.values())) - 0.4, -0.6)
    return figure


def groups_of(subject: Subject) -> dict[str, list[Row]]:
    """Reference variant -> the rows compared with it, best first; rows without a difference last."""
    sign = 1 if subject.metric.goal == "maximize" else -1
    groups: dict[str, list[Row]] = {}
    for row in subject.table.rows:
        if row.over is not None:
            groups.setdefault(row.over, []).append(row)
    for rows in groups.values():
        rows.sort(key=lambda row: (math.isnan(row.difference), -sign * row.difference))
    return {over: groups[over] for over in subject.variants if over in groups}


def extreme(rows: Sequence[Row]) -> list[Row]:
    """The rows, or the best and the worst if there are too many."""
    half = MOST_ROWS // 2
    return list(rows) if len(rows) <= MOST_ROWS else [*rows[:half], *rows[-half:]]


def _panel(axis: Axes, subject: Subject, over: str, rows: Sequence[Row], width: int) -> None:
    styles = line_styles(subject.variants)
    axis.axvline(0, color=INK, linewidth=1.0, zorder=2)
    reach = [0.0]
    if subject.margin is not None:
        axis.axvspan(-subject.margin, subject.margin, color=BAND, zorder=0, linewidth=0)
        reach += [-subject.margin, subject.margin]
    for place, row in enumerate(rows):
        line = styles[row.variant]
        words = "no pair of values"
        if not math.isnan(row.difference):
            words = signed(row.difference, subject.places)
            fill = line.colour if row.claimed else "white"
            dot = axis.plot(
                [row.difference], [place], line.marker, color=line.colour, markerfacecolor=fill, markersize=6.5, zorder=4
            )
            set_tooltips(dot, [subject.difference_tooltip(row)])
            reach.append(row.difference)
        if row.interval is not None:
            axis.plot(row.interval, [place] * 2, color=line.colour, linewidth=2.2 if row.claimed else 1.2, zorder=3)
            words += f"  {bounds(row.interval, subject.places)}"
            reach += row.interval
        fewer = f"  n = {row.pairs}" if row.pairs < subject.table.seeds else ""
        fewer = f"  n = {', '.join(map(str, row.runs))}" if row.runs else fewer
        fewer += f", {phrases.coverage(row.level)}" if phrases.earlier_look(row, subject.table) else ""
        _say(axis, 1, place, f"{words}{fewer}")
    axis.set_yticks(range(len(rows)), phrases.shorten([row.variant for row in rows], width))
    axis.grid(visible=False, axis="y")
    fit_ticks(axis.xaxis, 6)
    edge = 0.05 * (max(reach) - min(reach) or 1.0)
    axis.set_xlim(min(reach) - edge, max(reach) + edge)
    unit = f" ({subject.unit})" if subject.unit else ""
    axis.set_xlabel(
        f"difference from {phrases.shorten([over], width)[0]}{unit}, {better_hint(subject.metric.goal, upward=False)}"
    )


def _say(axis: Axes, edge: float, row: int, words: str, colour: str = INK) -> None:
    """Text in a row, right of an edge of the panel: 0 left, 1 right."""
    style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": colour}
    axis.annotate(words, (edge, row), (5, 0), axis.get_yaxis_transform(), **style)


def _values(subject: Subject) -> Figure:
    """Values by seed, a row per variant in plan order."""
    shown, styles = subject.variants[:MOST_ROWS], line_styles(subject.variants)
    key = [f"dots: seeds; {subject.basis}", subject.no_difference.replace("\n", " ")]
    if len(shown) < len(subject.variants):
        key.append(f"the first {MOST_ROWS} of {len(subject.variants)} variants")
    with drawing():
        height = max(FRAME + ROW * len(shown), LEAST)
        figure, (axis,) = new_figure(height, phrases.rehearsal(subject.plan), "; ".join(key))
        for place, variant in enumerate(shown):
            own, line = subject.values[variant].dropna(), styles[variant]
            dots = axis.plot(
                own, [place] * len(own), line.marker, color=line.colour, markersize=5.5, alpha=0.8, markeredgewidth=0
            )
            set_tooltips(dots, subject.tooltips(variant, own))
            if own.empty:
                _say(axis, 0, place, "no value yet", PALE)
        axis.set_yticks(range(len(shown)), phrases.shorten(shown, WIDE))
        axis.set_ylim(len(shown) - 0.4, -0.6)
        axis.margins(x=0.08)
        axis.set_xlabel(subject.axis)
    return figure
