"""The metric against the number of parameters, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.reporting import phrases
from harness.reporting.figures.layout import add_space_below, empty_figure, new_figure, text_figure
from harness.reporting.figures.legend import legend
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.subject import Subject, calculable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEIGHT = 3.4
SIZE = "parameters"
MOST = 60  # variants whose legend has room
SPAN = 0.12  # share of the logarithmic range beyond the smallest and largest


def sizes(runs: pd.DataFrame) -> dict[str, float]:
    """Variant -> number of parameters, where known and not too large to draw."""
    if SIZE not in runs:
        return {}
    known = runs[calculable(runs, SIZE)]
    return {str(variant): float(own[SIZE].iloc[0]) for variant, own in known.groupby("variant", sort=False)}


def cost(subject: Subject) -> Figure:
    """Means with t intervals from the first look on, before it a dot per seed; logarithmic in the parameters."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

    found, styles = sizes(subject.runs), line_styles(subject.variants)
    key = (
        f"mean with {subject.level} over {subject.replicates}; {subject.basis}"
        if subject.compared
        else f"dots: seeds; {subject.basis}"
    )
    with drawing():
        every = [variant for variant in subject.variants if variant in found and subject.values[variant].notna().any()]
        drawn = every[:MOST]
        if not drawn:
            return empty_figure(subject)
        if min(found[variant] for variant in drawn) < 1:
            return text_figure(
                "a network without parameters cannot be shown on a logarithmic axis", phrases.rehearsal(subject.plan)
            )
        key += f"; the first {MOST} of {len(every)} variants" if len(every) > MOST else ""
        figure, (axis,) = new_figure(HEIGHT, phrases.rehearsal(subject.plan))
        for variant in drawn:
            own, line, x = subject.values[variant].dropna(), styles[variant], found[variant]
            if subject.compared:
                mean = axis.plot([x], [own.mean()], line.marker, color=line.colour, markersize=7, zorder=4)
                set_tooltips(mean, [f"{subject.mean_tooltip(variant, own)}\n{phrases.count(x)} parameters"])
                if (interval := subject.interval(own)) is not None:
                    axis.plot([x] * 2, interval, color=line.colour, linewidth=2.0, zorder=3)
            else:
                dots = axis.plot([x] * len(own), own, line.marker, color=line.colour, markersize=5, alpha=0.8, markeredgewidth=0)
                set_tooltips(dots, subject.tooltips(variant, own))
        axis.set_xscale("log")
        low, high = (bound(found[variant] for variant in drawn) for bound in (min, max))
        edge = (high / low) ** SPAN if high > low else 1.05
        axis.set_xlim(low / edge, high * edge)
        axis.margins(y=0.1)
        axis.set_ylim(axis.get_ylim())
        axis.xaxis.set_minor_locator(NullLocator())
        if high / low < 20:
            axis.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
        # A legend: labels beside the panel would need crossing lines.
        add_space_below(figure, legend(figure, {variant: styles[variant] for variant in drawn}, key, lines=False))
        axis.set_xlabel("parameters, log scale")
        axis.set_ylabel(subject.axis)
    return figure
