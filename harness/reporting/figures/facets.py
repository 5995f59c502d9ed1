"""Learning curves of many variants: a small panel for each, with the others in grey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.reporting import phrases
from harness.reporting.figures.curves import beyond, drawable, key, mean_of, seeds_and_mean
from harness.reporting.figures.layout import EDGE, KEY, LETTERS, LINE, NOTE_LINE, PALE, WIDTH, text_figure, wrap_lines
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.ticks import fit_ticks
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLUMNS = 5
PANEL = 1.45  # inches of height
MOST = 60  # panels
SEEDS = 5  # thin lines in a panel
NAME = 22  # letters above a panel


def facets(epochs: pd.DataFrame, name: str, metric: Metric, variants: Sequence[str], note: str | None = None) -> Figure:
    """The metric `name` by epoch, a panel per variant on the same axes; parameters as of `curves`."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    values = drawable(epochs, name)
    present = set(values["variant"].unique())
    every = [variant for variant in variants if variant in present]
    if not every:
        return text_figure(phrases.nothing_drawn(phrases.label(name), epochs.get(name, ())), note)
    shown, styles = every[:MOST], line_styles(variants)
    wording = [key(epochs, SEEDS), "grey: the means of all variants", beyond(epochs, {name: metric})]
    wording += [f"the first {MOST} of {len(every)} variants"] if len(every) > MOST else []
    own = dict(list(values.groupby("variant", sort=False, observed=True)))
    means = {variant: mean_of(own[variant], name) for variant in every}
    lines = [list(zip(mean.index, mean, strict=True)) for mean in means.values() if not mean.empty]
    rows = math.ceil(len(shown) / COLUMNS)
    above = wrap_lines(note, WIDTH * LETTERS / 1.35)
    below = wrap_lines("; ".join(filter(None, wording)), WIDTH * LETTERS)
    top, bottom = len(above) * NOTE_LINE + EDGE, len(below) * LINE + EDGE
    height = PANEL * rows + top + bottom
    with drawing():
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True)
        first, last = int(values["epoch"].min()), int(values["epoch"].max())
        for axis, variant in zip(axes.flat, shown, strict=False):
            axis.add_collection(LineCollection(lines, linewidths=0.5, alpha=0.25, colors=PALE, zorder=1, rasterized=True))
            seeds_and_mean(
                axis, own[variant], name, styles[variant], shift=0.0, long=last - first > COLUMNS, crowd=True, thin=SEEDS
            )
            axis.set_title(phrases.shorten([variant], NAME)[0], fontsize=KEY, loc="left")
            axis.tick_params(labelsize=7)
        axes.flat[0].set_xlim(first - 0.5, last + 0.5)
        fit_ticks(axes.flat[0].xaxis, 3, integer=True)
        for place, axis in enumerate(axes.flat):
            axis.set_axis_off() if place >= len(shown) else None
            axis.tick_params(labelbottom=place + COLUMNS >= len(shown))
        axes[-1][min(COLUMNS, len(shown)) // 2 if rows == 1 else 0].set_xlabel("epoch")
        axes[rows // 2][0].set_ylabel(phrases.axis(name, metric.unit))
        if above:
            figure.text(EDGE / WIDTH, 1 - EDGE / height, "\n".join(above), va="top", fontsize=9, fontweight="bold")
        figure.text(EDGE / WIDTH, EDGE / height, "\n".join(below), va="bottom", fontsize=KEY, color=PALE)
        room = (0.005, bottom / height, 0.985, 1 - (top + bottom) / height)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=room, wspace=0.02, hspace=0.03))
    return figure
