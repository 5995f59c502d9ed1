"""Learning curves of all variants: thin lines for seeds, bold ones for means."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.layout import EDGE, KEY, LETTERS, LINE, NOTE_LINE, PALE, TAG, SideLabel, side_labels, wrap_lines
from harness.reporting.figures.legend import legend, measured_in
from harness.reporting.figures.style import LineStyle, drawing, line_styles
from harness.reporting.figures.subject import calculable
from harness.reporting.figures.ticks import fit_ticks
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
PANEL_WIDTH = 4.2
HEIGHT = 3.6  # of the panels, without the legend
ROW = 3.0  # of each of several rows
SMALL_WIDTH, SMALL_ROW = 2.8, 2.2  # of means alone
LABELLED_WIDTH = 3.5  # of a panel beside the labels of its lines
LABEL = 1.15  # the widest label beside a panel
LABELS = 16  # the most beside a panel

COLUMNS, SMALL_COLUMNS = 2, 3
REASON = 32  # letters on a line in an empty panel

FEW_EPOCHS = 12  # up to this many points are each marked
MARKS = 8  # markers on a longer line

# The most that a reader can tell apart; a plan may have hundreds of variants and seeds.
MOST_VARIANTS = 36
MOST_LINES = 240  # thin lines in a panel
MANY_POINTS = 12_000  # in a panel: from here on thin lines are rasterized, which keeps the SVG small


def curves(
    epochs: pd.DataFrame,
    metrics: Mapping[str, Metric],
    variants: Sequence[str],
    note: str | None = None,
    *,
    small: bool = False,
) -> Figure:
    """A panel per metric, unsmoothed; lines have their labels beside each panel where these fit, else in a legend.

    `epochs`: a row per run and epoch with variant, seed, state, epoch and a column per metric (`load_curves`); `metrics`: the
    panels; `variants`: all of the plan in order, which decides their colours; `note`: above the panels; `small`: small panels
    with means alone. Failed and diverged runs end in a cross and are excluded from means; the mean stops where the first of the
    other runs does. Of very many variants and seeds only the first are drawn, which the key says; means are over all seeds.
    """
    # Categories: comparing strings in millions of rows is slow.
    epochs = epochs.astype({"variant": "category", "state": "category"})
    present = set(epochs["variant"].unique())
    every = {variant: line for variant, line in line_styles(variants).items() if variant in present}
    styles = dict(list(every.items())[:MOST_VARIANTS])
    if len(every) > len(styles):
        epochs = epochs[epochs["variant"].isin(list(styles))]
    wording = [key(epochs, 0 if small else thin(epochs, len(styles))), beyond(epochs, metrics)]
    wording += [f"the first {MOST_VARIANTS} of {len(every)} variants"] if len(every) > MOST_VARIANTS else []
    words = "; ".join(filter(None, wording)) or None
    with drawing():
        return _figure(epochs, metrics, styles, words, note, small=small)


def _figure(
    epochs: pd.DataFrame,
    metrics: Mapping[str, Metric],
    styles: Mapping[str, LineStyle],
    words: str | None,
    note: str | None,
    *,
    small: bool,
) -> Figure:
    """The panels of `curves`, with the lines' names and the key."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(max(len(metrics), 1), SMALL_COLUMNS if small else COLUMNS)
    rows = max(math.ceil(len(metrics) / columns), 1)
    row = SMALL_ROW if small else HEIGHT if rows == 1 else ROW
    figure = Figure(figsize=((SMALL_WIDTH if small else PANEL_WIDTH) * columns, row * rows))
    measure = measured_in(figure, TAG)
    widest = max(map(measure, styles), default=0.0)
    beside = not small and 1 < len(styles) <= LABELS and widest <= LABEL
    if beside:
        figure.set_figwidth((LABELLED_WIDTH + widest + 0.25) * columns)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, (name, metric) in zip(axes, metrics.items(), strict=False):
        panel(axis, epochs, name, metric, styles, thin_lines=not small)
        if beside:
            name_lines(axis, epochs, name, styles, 0.78 * row)
    for spare in axes[max(len(metrics), 1) :]:
        spare.set_axis_off()
    above = wrap_lines(note, figure.get_figwidth() * LETTERS / 1.35)
    below = add_key(figure, words) if beside else legend(figure, styles, words) if styles else 0.0
    top = len(above) * NOTE_LINE + EDGE * bool(above)
    width, height = figure.get_figwidth(), row * rows + below + top
    figure.set_size_inches(width, height)
    for text in figure.texts:
        text.set_position((EDGE / width, EDGE / height))
    if above:
        figure.text(EDGE / width, 1 - EDGE / height, "\n".join(above), va="top", fontsize=9, fontweight="bold")
    room = (0.005, below / height, 0.985, 0.985 - (below + top) / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=room, wspace=0.06, hspace=0.06))
    return figure


def add_key(figure: Figure, words: str | None) -> float:
    """The key at the lower left. Returns its height in inches."""
    lines = wrap_lines(words, figure.get_figwidth() * LETTERS)
    figure.text(0, 0, "\n".join(lines), va="bottom", fontsize=KEY, color=PALE)
    return len(lines) * LINE + EDGE * bool(lines)


def name_lines(axis: Axes, epochs: pd.DataFrame, name: str, styles: Mapping[str, LineStyle], height: float) -> None:
    """Each variant's label with its marker right of a panel `height` inches high, joined to the end of its line."""
    if not axis.get_xticks().size:
        return
    known = drawable(epochs, name)
    labels = []
    for variant, line in styles.items():
        own = known[known["variant"] == variant]
        means = mean_of(own, name)
        if not means.empty:
            labels.append(SideLabel(float(means.index[-1]), float(means.iloc[-1]), variant, line.colour, line.marker))
        elif len(own):
            last = own.sort_values("epoch").iloc[-1]
            labels.append(SideLabel(float(last["epoch"]), float(last[name]), variant, line.colour, line.marker))
    axis.set_ylim(axis.get_ylim())
    side_labels(axis, labels, height)


def beyond(epochs: pd.DataFrame, metrics: Mapping[str, Metric]) -> str:
    """How many values of the metrics are not drawn because they are infinite or too large; empty if all are."""
    count = sum(int((epochs[name].notna() & ~calculable(epochs, name)).sum()) for name in metrics if name in epochs)
    return f"{phrases.plural(count, 'value')} infinite or beyond 1e75 not drawn" if count else ""


def drawable(epochs: pd.DataFrame, name: str) -> pd.DataFrame:
    """[variant, seed, state, epoch, `name`] of the rows whose value can be drawn; empty for an unknown metric."""
    if name not in epochs:
        return epochs.iloc[:0]
    found: pd.DataFrame = epochs.loc[calculable(epochs, name), ["variant", "seed", "state", "epoch", name]]
    return found


def panel(
    axis: Axes, epochs: pd.DataFrame, name: str, metric: Metric, styles: Mapping[str, LineStyle], *, thin_lines: bool = True
) -> None:
    """One metric by epoch, or a text why there is nothing to draw."""
    values = drawable(epochs, name)
    if values.empty:
        reason = phrases.nothing_drawn(phrases.label(name), epochs.get(name, ()))
        reason = "no epoch has finished yet" if epochs.empty else reason
        reason = textwrap.fill(reason, REASON)
        axis.text(0.5, 0.5, reason, transform=axis.transAxes, ha="center", va="center", color="#666666")
        axis.set(xticks=[], yticks=[])
    else:
        long = values["epoch"].nunique() > FEW_EPOCHS
        drawn = dict(list(values.groupby("variant", sort=False, observed=True)))
        seeds = thin(values, len(styles)) if thin_lines else 0
        crowd = len(values) > MANY_POINTS
        for place, (variant, line) in enumerate(styles.items()):
            if variant in drawn:
                seeds_and_mean(axis, drawn[variant], name, line, shift=place / len(styles), long=long, thin=seeds, crowd=crowd)
        first, last = values["epoch"].min(), values["epoch"].max()
        edge = 0.5 if first == last else 0.03 * (last - first)
        axis.set_xlim(first - edge, last + edge)
        fit_ticks(axis.xaxis, 6, integer=True)
    axis.set_xlabel("epoch")
    axis.set_ylabel(phrases.axis(name, metric.unit))


def thin(epochs: pd.DataFrame, variants: int) -> int:
    """The number of thin lines per variant."""
    return min(int(epochs["seed"].nunique()), max(MOST_LINES // max(variants, 1), 1))


def seeds_and_mean(
    axis: Axes, own: pd.DataFrame, name: str, line: LineStyle, *, shift: float, long: bool, crowd: bool, thin: int = MOST_LINES
) -> None:
    """A variant's first `thin` seeds, and the mean of all.

    `shift` (0 to 1) keeps the marks of several lines apart; a `crowd` of thin lines is rasterized.
    """
    from matplotlib.collections import LineCollection

    broken = own["state"].isin(["failed", "diverged"])
    if thin and (own["seed"].nunique() > 1 or broken.any()):
        shown = own[own["seed"].isin(own["seed"].unique()[:thin])].sort_values(["seed", "epoch"])
        lines = [seed[["epoch", name]].to_numpy(dtype=float) for _, seed in shown.groupby("seed")]
        width, alpha = (0.5, 0.3) if long else (0.7, 0.45)
        axis.add_collection(LineCollection(lines, linewidths=width, alpha=alpha, colors=line.colour, zorder=2, rasterized=crowd))
        axis.autoscale_view()
    ends = own[broken].groupby("seed").tail(1)
    axis.plot(ends["epoch"], ends[name], linestyle="", marker="x", markersize=6, color=line.colour, zorder=4)
    means = mean_of(own, name)
    if means.empty:
        return
    # Short lines are marked at every point; long ones at a few, to tell them apart in grey.
    step = max(len(means) // MARKS, 1) if long else 1
    marks: dict[str, Any] = {"marker": line.marker, "markersize": 4.5, "markeredgewidth": 0.0}
    bold: dict[str, Any] = {"linewidth": 1.2 if long else 1.9, "linestyle": line.dashes, "color": line.colour, "zorder": 3}
    axis.plot(means.index, means.to_numpy(), markevery=(int(shift * step), step), **marks, **bold)


def mean_of(own: pd.DataFrame, name: str) -> pd.Series:
    """Epoch -> the mean over a variant's runs that did not fail or diverge, as long as all of them have a value."""
    whole = own[~own["state"].isin(["failed", "diverged"])]
    every = whole.groupby("epoch")[name].agg(["mean", "size"])
    return every.loc[every["size"] == whole["seed"].nunique(), "mean"]


def key(epochs: pd.DataFrame, thin: int) -> str | None:
    """The meaning of the line kinds; `thin` is the number of thin lines per variant."""
    if epochs.empty:
        return None
    runs = epochs.loc[epochs["epoch"] == epochs["epoch"].min(), ["variant", "seed", "state"]]  # a row per run
    broken = runs["state"].isin(["failed", "diverged"])
    most = runs[~broken].groupby("variant", observed=True)["seed"].nunique().max()
    seeds = "each seed" if thin >= runs["seed"].nunique() else f"the first {thin} seeds" if thin > 1 else "the first seed"
    meanings = ["bold: mean over seeds", *([f"thin: {seeds}"] if thin else [])] if most > 1 else []
    return "; ".join([*meanings, *(["cross: failed or diverged"] if broken.any() else [])]) or None
