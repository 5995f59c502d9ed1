"""Ticks of numeric axes: as many as have room for their labels."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axis import XAxis

GAP = 0.9  # between two labels, in widths of a digit
DIGIT = 0.64  # width of a digit, in font sizes; a minus sign is wider, a point narrower


def fit_ticks(axis: XAxis, most: int, *, integer: bool = False) -> None:
    """Let a horizontal axis have up to `most` intervals between ticks, fewer where their labels would touch.

    The number is found whenever the axis is drawn, at the width that it has then.
    """
    from matplotlib.ticker import MaxNLocator

    class Fitting(MaxNLocator):
        """Fewer ticks until the labels have room."""

        def tick_values(self, vmin: float, vmax: float) -> Any:
            for bins in range(most, 0, -1):
                self.set_params(nbins=bins)
                found = super().tick_values(vmin, vmax)
                if _fit(axis, [place for place in found if min(vmin, vmax) <= place <= max(vmin, vmax)]):
                    break
            return found

    axis.set_major_locator(Fitting(nbins=most, steps=[1, 2, 5, 10], integer=integer, min_n_ticks=1))


def _fit(axis: XAxis, places: list[float]) -> bool:
    """Whether the labels of ticks at `places` do not touch."""
    formatter = axis.get_major_formatter()
    formatter.axis = axis
    axes: Any = axis.axes
    texts = formatter.format_ticks(places)
    size = axis.get_major_ticks(1)[0].label1.get_fontsize() * axes.figure.dpi / 72
    middles = axes.transData.transform([(place, axes.get_ylim()[0]) for place in places])[:, 0] if places else []
    spans = [(x - DIGIT * size * len(text) / 2, x + DIGIT * size * len(text) / 2) for x, text in zip(middles, texts, strict=True)]
    return all(after[0] - before[1] >= GAP * DIGIT * size for before, after in pairwise(spans))
