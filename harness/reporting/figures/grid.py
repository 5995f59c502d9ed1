"""Two crossed factors: a line per level of the second over the levels of the first, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.dose import ticks
from harness.reporting.figures.layout import SideLabel, empty_figure, new_figure, side_labels
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.scale import scale
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 3.5
LABEL = 0.2  # for each line's label beside the panel
APART = 0.02  # share of the axis between lines, so that intervals do not overlap


def grid(subject: Subject) -> Figure:
    """The metric's mean by level. Dots: seeds."""
    (first, levels), (second, others) = subject.plan.factors.items()
    places = scale(levels)
    lines = f"lines: means with {subject.level}" if len(subject.values) > 1 else "lines: means"
    key = f"dots: {subject.replicates}; {f'{lines}; ' if subject.compared else ''}{subject.basis}"
    variant_of = {(own[first], own[second]): variant for variant, own in subject.plan.levels.items()}
    names = [f"{phrases.label(second)}={level}" for level in others]
    if subject.values.empty:
        return empty_figure(subject)
    with drawing():
        height = max(HEIGHT, len(others) * LABEL)
        figure, (axis,) = new_figure(height, phrases.rehearsal(subject.plan), key)
        labels = []
        shown = phrases.shorten(names, 30)
        for index, (level, line) in enumerate(zip(others, line_styles(names).values(), strict=True)):
            shift = (index - (len(others) - 1) / 2) * min(APART, 0.4 / len(others) / max(len(levels), 1))
            columns = [variant_of[each, level] for each in places.levels]
            values = subject.values[columns]
            x = [place + shift for place in places.places]
            faint: dict[str, Any] = {"markersize": 3, "alpha": 0.4, "markeredgewidth": 0, "zorder": 2}
            for place, variant in zip(x, columns, strict=True):
                own = values[variant].dropna()
                dots = axis.plot([place] * len(own), own, line.marker, color=line.colour, **faint)
                set_tooltips(dots, subject.tooltips(variant, own))
            means = values.mean()
            ending = means.dropna()
            if ending.empty:
                continue
            if subject.compared:
                drawn = axis.plot(
                    x,
                    means.to_numpy(),
                    line.marker,
                    color=line.colour,
                    linestyle=line.dashes,
                    linewidth=1.7,
                    markersize=6,
                    zorder=4,
                )
                set_tooltips(
                    drawn,
                    [subject.mean_tooltip(variant, values[variant]) for variant in columns if values[variant].notna().any()],
                )
                for place, variant in zip(x, columns, strict=True):
                    interval = subject.interval(values[variant])
                    if interval is not None:
                        axis.plot([place] * 2, interval, color=line.colour, linewidth=1.5, zorder=3)
            last = columns.index(str(ending.index[-1]))
            # Before the first look no mean is shown, not even by the position of a label.
            end = ending.iloc[-1] if subject.compared else values.iloc[:, last].max()
            labels.append(SideLabel(x[last], float(end), shown[index], line.colour))
        axis.set_xlim(-0.06, 1.06)
        axis.set_ylim(axis.get_ylim())
        side_labels(axis, labels)
        ticks(axis, places, letters=70)
        axis.set_xlabel(f"{phrases.label(first)}{places.suffix}")
        axis.set_ylabel(subject.axis)
    return figure
