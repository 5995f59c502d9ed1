"""An empty figure with panels, note and key, and the parts that several figures share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.style import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.reporting.figures.subject import Subject

# Inches.
WIDTH = 8.4
WORDS = 1.6  # height of a figure of text alone
EDGE = 0.08
LINE = 0.16  # of the key
NOTE_LINE = 0.19

KEY = 8.0  # the size of its words
TAG = 8.0  # and of labels beside a panel
LETTERS = 16.4  # of that size, an inch
INK, PALE, BAND = "#222222", "#666666", "#ECECEC"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class SideLabel:
    """A label for a point of a panel, written beside the panel."""

    x: float
    y: float
    text: str
    colour: str
    marker: str = ""  # before the text


def new_figure(
    height: float, note: str | None = None, key: str | None = None, ratios: Sequence[float] = (1.0,)
) -> tuple[Figure, list[Axes]]:
    """A figure with a row of panels, `height` inches high; `note` above (bold) and `key` below make it taller.

    Call inside `drawing()`.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    above, below = wrap_lines(note, WIDTH * LETTERS / 1.35), wrap_lines(key, WIDTH * LETTERS)
    top, bottom = len(above) * NOTE_LINE + EDGE, (len(below) * LINE + EDGE) * bool(below)
    whole = height + top + bottom
    figure = Figure(figsize=(WIDTH, whole))
    axes = figure.subplots(1, len(ratios), squeeze=False, gridspec_kw={"width_ratios": list(ratios)})[0]
    left = EDGE / WIDTH
    if above:
        figure.text(left, 1 - EDGE / whole, "\n".join(above), va="top", fontsize=9, fontweight="bold")
    if below:
        figure.text(left, EDGE / whole, "\n".join(below), va="bottom", fontsize=KEY, color=PALE)
    rect = (0.005, bottom / whole, 0.99, 1 - (top + bottom) / whole)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, wspace=0.05))
    return figure, list(axes)


def wrap_lines(text: str | None, letters: float) -> list[str]:
    """Lines of at most `letters` letters; empty without a text."""
    return textwrap.wrap(text, int(letters)) if text else []


def add_space_below(figure: Figure, below: float) -> None:
    """Make a figure taller by `below` inches under its panels, for a legend."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width, height = figure.get_size_inches()
    whole = height + below
    for text in figure.texts:  # the note stays as far from the top
        text.set_y(1 - EDGE / whole)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    _, _, across, up = engine.get()["rect"]
    figure.set_size_inches(width, whole)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0.005, below / whole, across, up * height / whole), wspace=0.05))


def show_text(axis: Axes, words: str) -> None:
    """Text instead of a drawing."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", color=PALE)
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def text_figure(text: str, note: str | None = None) -> Figure:
    """A figure of text, for one that cannot be drawn."""
    with drawing():
        figure, (axis,) = new_figure(WORDS, note)
        show_text(axis, "\n".join(line for part in text.splitlines() for line in textwrap.wrap(part, int(WIDTH * LETTERS / 1.4))))
    return figure


def empty_figure(subject: Subject) -> Figure:
    """A figure of text that says why no run has a value."""
    return text_figure(subject.no_values, phrases.rehearsal(subject.plan))


def signed(value: float, places: int) -> str:
    """A difference with a minus sign instead of a hyphen, as on axes."""
    return phrases.signed(value, places).replace("-", MINUS)


def bounds(interval: Sequence[float], places: int) -> str:
    """`[−0.10, +0.14]`."""
    return f"[{', '.join(signed(bound, places) for bound in interval)}]"


def wrap_label(label: str, width: int) -> str:
    """A label on two lines at most, of `width` letters each."""
    lines = textwrap.wrap(phrases.shorten([label], 2 * width - 4)[0], width, break_on_hyphens=False)
    return "\n".join(lines[:2]) if len(lines) < 3 else phrases.shorten([label], width)[0]


def better_hint(goal: str, upward: bool) -> str:
    """A hint which direction of an axis is better."""
    more = goal == "maximize"
    if upward:
        return "up is better" if more else "down is better"
    return "better \N{RIGHTWARDS ARROW}" if more else "\N{LEFTWARDS ARROW} better"


def spread_out(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """`places` moved as little as possible to be `gap` apart inside [low, high], in the same order."""
    if not places:
        return []
    gap = min(gap, (high - low) / max(len(places) - 1, 1))
    order = sorted(range(len(places)), key=lambda index: places[index])
    found = [min(max(places[index], low + rank * gap), high) for rank, index in enumerate(order)]
    for rank in range(1, len(found)):
        found[rank] = max(found[rank], found[rank - 1] + gap)
    found[-1] = min(found[-1], high)
    for rank in range(len(found) - 2, -1, -1):
        found[rank] = min(found[rank], found[rank + 1] - gap)
    moved = dict(zip(order, found, strict=True))
    return [moved[index] for index in range(len(places))]


def side_labels(axis: Axes, labels: Sequence[SideLabel], height: float | None = None) -> None:
    """Labels in a column right of the panel, each with a thin line to its point; axis limits must be final.

    `height`: of the panel, in inches; by default, as constrained layout has not run yet, a part of the figure's.
    """
    low, high = axis.get_ylim()
    figure: Any = axis.figure
    gap = (high - low) * (TAG * 1.35 / 72) / (height or 0.8 * figure.get_figheight())
    right = axis.get_xlim()[1]
    for label, place in zip(labels, spread_out([label.y for label in labels], gap, low, high), strict=True):
        if label.marker:
            beside: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "clip_on": False, "color": label.colour}
            axis.plot([1.085], [place], label.marker, markersize=4.5, markeredgewidth=0, **beside)
        # The line ends at the left edge of the text, or it would cross other labels.
        arrow = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3, "alpha": 0.8}
        style: dict[str, Any] = {"xycoords": "data", "textcoords": axis.get_yaxis_transform(), "va": "center", "color": INK}
        style |= {"fontsize": TAG, "annotation_clip": False}
        start = 1.06 if label.marker else 1.055
        axis.annotate("", (label.x, label.y), (start, place), arrowprops=arrow, **style)
        axis.text(
            1.115 if label.marker else 1.065,
            place,
            label.text,
            transform=axis.get_yaxis_transform(),
            va="center",
            fontsize=TAG,
            color=INK,
        )
    axis.set_xlim(right=right)
