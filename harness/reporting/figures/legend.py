"""A legend below the panels, never taller than they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from harness.reporting import phrases
from harness.reporting.figures.style import LineStyle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 0.08  # inches around the legend
LEGEND = {"handlelength": 3.6, "handletextpad": 0.8, "columnspacing": 1.8}  # spacing, in ems
MOST_COLUMNS = 6
MOST_ROWS = 12  # more entries need several columns, for which labels are shortened


def legend(figure: Figure, styles: Mapping[str, LineStyle], title: str | None, lines: bool = True) -> float:
    """A legend below the panels with an entry per variant. Returns its height in inches."""
    from matplotlib.lines import Line2D

    measure = measured_in(figure)
    em = font_inches()
    width = figure.get_figwidth() - 2 * GAP
    beside = {name: size * em for name, size in LEGEND.items()}
    labels, columns = legend_layout(list(styles), width, sum(beside.values()), beside["columnspacing"], measure)
    # Not dashes of no width, which matplotlib refuses before 3.11.
    drawn_as: dict[str, Any] = {"linewidth": 1.7, "markersize": 4.5} if lines else {"linestyle": "none", "markersize": 6.5}
    handles = [
        Line2D([], [], **{"color": line.colour, "linestyle": line.dashes, "marker": line.marker, **drawn_as})
        for line in styles.values()
    ]
    if title and measure(title) > width:
        title = title.replace("; ", "\n")
    shape = {"ncols": columns, "labelspacing": 0.35, "borderpad": 0.0, "borderaxespad": 0.5, **LEGEND}
    drawn = figure.legend(handles, labels, loc="lower center", frameon=False, title=title, title_fontsize=8, **shape)
    return float(drawn.get_window_extent().height) / figure.dpi + 2 * GAP


def font_inches() -> float:
    """The size of the figures' text."""
    from matplotlib.font_manager import FontProperties

    return float(FontProperties().get_size_in_points()) / 72


def measured_in(figure: Figure, size: float | None = None) -> Callable[[str], float]:
    """text -> its width in inches, in the figures' font; `size`: in points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    canvas: Any = FigureCanvasAgg(figure)
    renderer, font = canvas.get_renderer(), FontProperties(size=size)
    return lambda text: float(renderer.get_text_width_height_descent(text, font, False)[0]) / figure.dpi


def legend_layout(
    labels: Sequence[str], width: float, beside: float, gap: float, measure: Callable[[str], float]
) -> tuple[list[str], int]:
    """(labels, columns) that fit into `width` inches and `MOST_ROWS`; labels too wide for a column are shortened.

    A column needs `beside` inches besides its widest label; `gap` is the part between columns. `measure`: text -> inches.
    """
    needed = min(math.ceil(len(labels) / MOST_ROWS), MOST_COLUMNS)
    room, shown = (width + gap) / needed - beside, list(labels)
    length = max(map(cell_len, labels))
    while (widest := max(map(measure, shown))) > room and length > phrases.MIN_LABEL:
        length = max(phrases.MIN_LABEL, min(length - 1, int(length * room / widest)))
        shown = phrases.shorten(labels, length)
    return shown, max(1, min(len(labels), MOST_COLUMNS, int((width + gap) / (beside + widest) + 1e-9)))
