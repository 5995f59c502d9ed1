"""Drawing of a network: its parts with output shape and cost, and its blocks in detail."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.layout import BAND, INK, PALE, WIDTH, new_figure
from harness.reporting.figures.style import COLOURS, drawing
from harness.tasks.protocol import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches; the panel is drawn to scale, its origin at the lower left.
LEFT = 1.02  # for the names of the lines below the boxes
TALL, SHORT = 1.15, 0.42  # boxes: the widest image, and the smallest
FLOOR = 0.95  # below the boxes, for the lines of numbers
BLOCK = 1.5  # for the blocks in detail
LETTERS = 17  # of small text above a column, per inch
SHARE = 0.62  # of a column that its box takes
MOST_SLABS = 12  # blocks of a stage that are drawn

FILL, LIGHT = COLOURS[0], "#DCEBF5"


def network(parts: Sequence[Part], note: str | None = None) -> Figure:
    """Boxes as high as their images, with output, parameters and multiply-adds of one case; below, each kind of block."""
    kinds = list(blocks(parts))
    floor = BLOCK if kinds else 0.0
    height = floor + FLOOR + TALL + 0.65
    total = f"{phrases.count(sum(part.parameters for part in parts))} parameters"
    cost = f"{amount(sum(part.multiply_adds for part in parts))} multiply-adds an image, forward"
    does = dict.fromkeys(block.does for _, block in kinds)
    with drawing():
        figure, (axis,) = new_figure(height, note, "; ".join([total, cost, *does]))
        axis.set(xlim=(0, WIDTH), ylim=(0, height))
        axis.set_axis_off()
        _flow(axis, parts, floor)
        for place, (stage, block) in enumerate(kinds):
            width = WIDTH / len(kinds)
            _block(axis, f"{stage.name}, {block.name}", block, (place * width + 0.1, (place + 1) * width - 0.25))
    return figure


def blocks(parts: Sequence[Part]) -> Iterator[tuple[Part, Part]]:
    """(stage, block): the last block whose shortcut changes the shape, and the last whose shortcut does not."""
    found: dict[bool, tuple[Part, Part]] = {}
    for stage in parts:
        for block in stage.parts:
            changes = any(part.beside for part in block.parts)
            if block.parts:
                found[changes] = (stage, block)
    yield from (found[changes] for changes in (True, False) if changes in found)


def amount(number: float) -> str:
    """`737 M`, `0.9 M`, `10 k`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def shape(sizes: Sequence[int]) -> str:
    """`256 × 32 × 32`."""
    return " × ".join(map(str, sizes))


def _flow(axis: Axes, parts: Sequence[Part], floor: float) -> None:
    """The parts from left to right, and their numbers in lines below."""
    from matplotlib.patches import Rectangle

    step = (WIDTH - LEFT) / len(parts)
    base = floor + FLOOR
    tallest = max((part.shape[-1] for part in parts if len(part.shape) > 1), default=1)
    whole = sum(part.multiply_adds for part in parts) or 1
    lines = ("output", "parameters", "multiply-adds")
    for row, words in enumerate(lines):
        axis.text(0.02, base - 0.22 - 0.2 * row, words, fontsize=8, color=PALE, va="center")
    edges = []
    for place, part in enumerate(parts):
        middle = LEFT + (place + 0.5) * step
        size = part.shape[-1] if len(part.shape) > 1 else 1
        high = SHORT + (TALL - SHORT) * (math.log(size) / math.log(tallest) if tallest > 1 else 1.0)
        wide = SHARE * step
        low = base + (TALL - high) / 2
        style: dict[str, Any] = {"facecolor": LIGHT if part.parameters else BAND, "edgecolor": INK, "linewidth": 0.9}
        axis.add_patch(Rectangle((middle - wide / 2, low), wide, high, **style))
        slabs = min(len(part.parts), MOST_SLABS)
        for slab in range(slabs):
            x = middle - wide / 2 + wide * (slab + 0.2) / slabs
            axis.add_patch(Rectangle((x, low + 0.08), 0.6 * wide / slabs, high - 0.16, facecolor=FILL, edgecolor="none"))
        axis.text(middle, base + TALL + 0.4, part.name, ha="center", fontsize=9, fontweight="bold")
        does = textwrap.wrap(part.does, max(int(step * LETTERS), 8))[:2]
        axis.text(middle, base + TALL + 0.35, "\n".join(does).rstrip(","), ha="center", va="top", fontsize=7, color=PALE)
        share = f"{100 * part.multiply_adds / whole:.0f}" if part.multiply_adds > 0.005 * whole else "<1"
        numbers = (
            shape(part.shape),
            phrases.count(part.parameters) if part.parameters else phrases.NOTHING,
            f"{amount(part.multiply_adds)} ({share} %)" if part.multiply_adds else phrases.NOTHING,
        )
        for row, words in enumerate(numbers):
            axis.text(middle, base - 0.22 - 0.2 * row, words, ha="center", va="center", fontsize=8)
        edges.append((middle - wide / 2, middle + wide / 2))
    for (_, before), (after, _) in pairwise(edges):
        _arrow(axis, (before, base + TALL / 2), (after, base + TALL / 2))


def _block(axis: Axes, title: str, block: Part, across: tuple[float, float]) -> None:
    """One block from left to right: its parts, the shortcut as an arc, and the sum."""
    from matplotlib.patches import Circle, Rectangle

    chain = [part for part in block.parts if not part.beside]
    aside = next((part for part in block.parts if part.beside), None)
    left, right = across
    start, plus = left + 0.15, right - 0.33
    step = (plus - start) / len(chain)
    level, high, wide = 0.36, 0.5, 0.76 * step
    axis.text(left, BLOCK - 0.22, title, fontsize=9, fontweight="bold")
    before = start
    for place, part in enumerate(chain):
        x = start + place * step + 0.16 * step
        axis.add_patch(Rectangle((x, level - high / 2), wide, high, facecolor=LIGHT, edgecolor=INK, linewidth=0.9))
        axis.text(x + wide / 2, level, f"{part.does}\n{shape(part.shape)}", ha="center", va="center", fontsize=7.5)
        _arrow(axis, (before, level), (x, level))
        before = x + wide
    axis.add_patch(Circle((plus + 0.09, level), 0.09, facecolor="white", edgecolor=INK, linewidth=0.9))
    axis.text(plus + 0.09, level - 0.005, "+", ha="center", va="center", fontsize=9)
    _arrow(axis, (before, level), (plus, level))
    _arrow(axis, (plus + 0.18, level), (right, level))
    top = level + high / 2 + 0.22
    axis.plot([start, start, plus + 0.09], [level, top, top], color=INK, linewidth=0.9)
    _arrow(axis, (plus + 0.09, top), (plus + 0.09, level + 0.09))
    words = f"{aside.does}, batch norm: {shape(aside.shape)}" if aside else "unchanged"
    axis.text((start + plus) / 2, top + 0.06, words, ha="center", fontsize=7.5, color=PALE if aside is None else INK)


def _arrow(axis: Axes, tail: tuple[float, float], head: tuple[float, float]) -> None:
    axis.annotate(
        "",
        head,
        tail,
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8},
    )
