"""Learning curves of all variants: thin lines for seeds, bold ones for means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from harness.reporting import phrases
from harness.reporting.figures.style import LineStyle, drawing, line_styles
from harness.tasks.protocol import Metric
from harness.tasks.results import LARGEST

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
PANEL_WIDTH = 4.2
HEIGHT = 3.6  # without the legend
GAP = 0.08  # around the legend

# Legend spacing, in ems.
LEGEND = {"handlelength": 3.6, "handletextpad": 0.8, "columnspacing": 1.8}
MOST_COLUMNS = 6

FEW_EPOCHS = 12  # up to this many points are each marked
MARKS = 8  # markers on a longer line

# The most that a reader can tell apart; a plan may have hundreds of variants and seeds.
MOST_VARIANTS = 36
MOST_LINES = 240  # thin lines in a panel
MANY_POINTS = 12_000  # in a panel: from here on thin lines are rasterized, which keeps the SVG small


def curves(epochs: pd.DataFrame, metrics: Mapping[str, Metric], variants: Sequence[str], note: str | None = None) -> Figure:
    """A panel per metric, unsmoothed.

    `epochs`: a row per run and epoch with variant, seed, state, epoch and a column per metric (`load_curves`); `metrics`: the
    panels; `variants`: all of the plan in order, which decides their colours; `note`: above the panels. Failed and diverged runs
    end in a cross and are excluded from means; the mean stops where the first of the other runs does. Of very many variants and
    seeds only the first are drawn, which the legend says; means are over all seeds.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Categories: comparing strings in millions of rows is slow.
    epochs = epochs.astype({"variant": "category", "state": "category"})
    present = set(epochs["variant"].unique())
    every = {variant: line for variant, line in line_styles(variants).items() if variant in present}
    styles = dict(list(every.items())[:MOST_VARIANTS])
    if len(every) > len(styles):
        epochs = epochs[epochs["variant"].isin(list(styles))]
    wording = [key(epochs, thin(epochs, len(styles)))]
    wording += [f"the first {MOST_VARIANTS} of {len(every)} variants"] if len(every) > MOST_VARIANTS else []
    width = PANEL_WIDTH * max(len(metrics), 1)
    with drawing():
        figure = Figure(figsize=(width, HEIGHT))
        axes = figure.subplots(1, max(len(metrics), 1), squeeze=False)[0]
        for axis, (name, metric) in zip(axes, metrics.items(), strict=False):
            panel(axis, epochs, name, metric, styles)
        if note:
            figure.suptitle(note, fontsize=9, x=0.012, ha="left", fontweight="bold", wrap=True)
        below = legend(figure, styles, "; ".join(filter(None, wording)) or None) if styles else 0.0
        height = HEIGHT + below
        figure.set_size_inches(width, height)
        room = (0.005, below / height, 0.985, 0.985 - below / height)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=room, wspace=0.06))
    return figure


def panel(axis: Axes, epochs: pd.DataFrame, name: str, metric: Metric, styles: Mapping[str, LineStyle]) -> None:
    """One metric by epoch, or a text why there is nothing to draw."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    values = epochs.iloc[:0]
    if name in epochs:
        known = np.abs(epochs[name].to_numpy(dtype=float, na_value=np.nan)) <= LARGEST
        values = epochs.loc[known, ["variant", "seed", "state", "epoch", name]]
    if values.empty:
        reason = phrases.nothing_drawn(phrases.label(name), epochs.get(name, ()))
        reason = "no epoch has finished yet" if epochs.empty else reason
        axis.text(0.5, 0.5, reason, transform=axis.transAxes, ha="center", va="center", color="#666666")
        axis.set(xticks=[], yticks=[])
    else:
        long = values["epoch"].nunique() > FEW_EPOCHS
        drawn = dict(list(values.groupby("variant", sort=False, observed=True)))
        seeds = thin(values, len(styles))
        crowd = len(values) > MANY_POINTS
        for place, (variant, line) in enumerate(styles.items()):
            if variant in drawn:
                seeds_and_mean(axis, drawn[variant], name, line, shift=place / len(styles), long=long, thin=seeds, crowd=crowd)
        first, last = values["epoch"].min(), values["epoch"].max()
        edge = 0.5 if first == last else 0.03 * (last - first)
        axis.set_xlim(first - edge, last + edge)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
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
    if own["seed"].nunique() > 1 or broken.any():
        shown = own[own["seed"].isin(own["seed"].unique()[:thin])].sort_values(["seed", "epoch"])
        lines = [seed[["epoch", name]].to_numpy(dtype=float) for _, seed in shown.groupby("seed")]
        width, alpha = (0.5, 0.3) if long else (0.7, 0.45)
        axis.add_collection(LineCollection(lines, linewidths=width, alpha=alpha, colors=line.colour, zorder=2, rasterized=crowd))
        axis.autoscale_view()
    ends = own[broken].groupby("seed").tail(1)
    axis.plot(ends["epoch"], ends[name], linestyle="", marker="x", markersize=6, color=line.colour, zorder=4)
    whole = own[~broken]
    every = whole.groupby("epoch")[name].agg(["mean", "size"])
    means = every.loc[every["size"] == whole["seed"].nunique(), "mean"]
    if means.empty:
        return
    # Short lines are marked at every point; long ones at a few, to tell them apart in grey.
    step = max(len(means) // MARKS, 1) if long else 1
    marks: dict[str, Any] = {"marker": line.marker, "markersize": 4.5, "markeredgewidth": 0.0}
    bold: dict[str, Any] = {"linewidth": 1.2 if long else 1.9, "linestyle": line.dashes, "color": line.colour, "zorder": 3}
    axis.plot(means.index, means.to_numpy(), markevery=(int(shift * step), step), **marks, **bold)


def key(epochs: pd.DataFrame, thin: int) -> str | None:
    """The meaning of the line kinds; `thin` is the number of thin lines per variant."""
    if epochs.empty:
        return None
    runs = epochs.loc[epochs["epoch"] == epochs["epoch"].min(), ["variant", "seed", "state"]]  # a row per run
    broken = runs["state"].isin(["failed", "diverged"])
    most = runs[~broken].groupby("variant", observed=True)["seed"].nunique().max()
    seeds = "each seed" if thin >= runs["seed"].nunique() else f"the first {thin} seeds" if thin > 1 else "the first seed"
    meanings = ["bold: mean over seeds", f"thin: {seeds}"] if most > 1 else []
    return "; ".join([*meanings, *(["cross: failed or diverged"] if broken.any() else [])]) or None


def legend(figure: Figure, styles: Mapping[str, LineStyle], title: str | None, lines: bool = True) -> float:
    """A legend below the panels with an entry per variant. Returns its height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    font = FontProperties()

    def measure(text: str) -> float:
        """Inches."""
        return float(renderer.get_text_width_height_descent(text, font, False)[0]) / figure.dpi

    em = font.get_size_in_points() / 72
    width = figure.get_figwidth() - 2 * GAP
    beside = {name: size * em for name, size in LEGEND.items()}
    labels, columns = legend_layout(list(styles), width, sum(beside.values()), beside["columnspacing"], measure)
    style: dict[str, Any] = {"linewidth": 1.7 if lines else 0.0, "markersize": 4.5 if lines else 6.5}
    handles = [Line2D([], [], color=line.colour, linestyle=line.dashes, marker=line.marker, **style) for line in styles.values()]
    if title and measure(title) > width:
        title = title.replace("; ", "\n")
    shape = {"ncols": columns, "labelspacing": 0.35, "borderpad": 0.0, "borderaxespad": 0.5, **LEGEND}
    drawn = figure.legend(handles, labels, loc="lower center", frameon=False, title=title, title_fontsize=8, **shape)
    return float(drawn.get_window_extent(renderer).height) / figure.dpi + 2 * GAP


def legend_layout(
    labels: Sequence[str], width: float, beside: float, gap: float, measure: Callable[[str], float]
) -> tuple[list[str], int]:
    """(labels, columns) that fit into `width` inches; labels too wide for a column are shortened.

    A column needs `beside` inches besides its widest label; `gap` is the part between columns. `measure`: text -> inches.
    """
    room, shown = width + gap - beside, list(labels)
    length = max(map(cell_len, labels))
    while (widest := max(map(measure, shown))) > room and length > phrases.MIN_LABEL:
        length = max(phrases.MIN_LABEL, min(length - 1, int(length * room / widest)))
        shown = phrases.shorten(labels, length)
    return shown, max(1, min(len(labels), MOST_COLUMNS, int((width + gap) / (beside + widest))))
