"""Parameter importance (PED-ANOVA) of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.layout import INK, new_figure
from harness.reporting.figures.search_subject import NAME, SearchSubject
from harness.reporting.figures.style import COLOURS, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, FRAME = 0.27, 0.75  # inches
MOST = 20  # parameters shown


def importance(subject: SearchSubject) -> Figure:
    """A row per parameter, a panel per objective. `subject.importances` must not be empty."""
    panels = {name: _largest(shares) for name, shares in subject.importances.items()}
    height = FRAME + ROW * max(len(shares) for shares in panels.values())
    with drawing():
        figure, axes = new_figure(height, subject.note, ratios=[1.0] * len(panels))
        for axis, (name, shares) in zip(axes, panels.items(), strict=True):
            _panel(axis, shares)
            title = phrases.label(name) if len(panels) > 1 else ""
            axis.set_title(title, loc="left", fontsize=9)
    return figure


def _largest(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:MOST])


def _panel(axis: Axes, shares: Mapping[str, float]) -> None:
    for row, share in enumerate(shares.values()):
        axis.plot([0, share], [row, row], color=COLOURS[0], linewidth=1.0, alpha=0.6, zorder=2)
        axis.plot([share], [row], "o", color=COLOURS[0], markersize=6.5, zorder=3)
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": INK}
        axis.annotate(f"{share:.2f}", (share, row), (7, 0), **style)
    axis.set_yticks(range(len(shares)), phrases.shorten(list(shares), NAME))
    axis.set_ylim(len(shares) - 0.4, -0.6)
    axis.set_xlim(0, 1.1)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("importance (shares of 1)")
