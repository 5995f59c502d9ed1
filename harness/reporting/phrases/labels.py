"""Shortens labels to a width and keeps them distinct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

MIN_LABEL = 3  # a first cell, the ellipsis, a last cell


def file_names(names: Iterable[str], others: str = r"\W+") -> dict[str, str]:
    """Names of metrics -> parts of file names, distinct also where case does not count: val/loss -> val-loss.

    `others`: a regular expression of the letters that become `-`.
    """
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(others, "-", name, flags=re.ASCII)
        taken, number, chosen = {each.lower() for each in found.values()}, 1, plain
        while chosen.lower() in taken:
            number += 1
            chosen = f"{plain}-{number}"
        found[name] = chosen
    return found


def shorten(labels: Sequence[str], width: int) -> list[str]:
    """`labels` in at most `width` cells of a terminal (`MIN_LABEL` or more), long ones cut in the middle.

    Distinct labels stay distinct: the cut is where they are alike; otherwise each gets a number, for which `width` needs room.
    """
    if all(cell_len(text) <= width for text in labels):
        return list(labels)
    room = max(width, MIN_LABEL) - 1
    different = len(set(labels))
    for ending in sorted(range(1, room), key=lambda ending: abs(ending - room // 2)):
        cut = [cut_middle(text, width, room - ending, ending, "…") for text in labels]
        if len(set(cut)) == different:
            return cut
    places = {text: place for place, text in enumerate(dict.fromkeys(labels), 1)}
    room = max(width - len(str(len(places))) - 2, 2)
    return [cut_middle(text, width, room - room // 2, room // 2, f"…{places[text]}…") for text in labels]


def cut_middle(text: str, width: int, start: int, ending: int, mark: str) -> str:
    """`text`, or its first and last cells with `mark` between them where it is wider than `width`."""
    if cell_len(text) <= width:
        return text
    return prefix(text, start) + mark + prefix(text[::-1], ending)[::-1]


def prefix(text: str, width: int) -> str:
    """As many characters from the left as fit into `width` cells."""
    end = min(len(text), width)
    while cell_len(text[:end]) > width:
        end -= 1
    return text[:end]
