"""Labels that are too wide -> labels that fit and still differ."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

LEAST_LABEL = 3  # a beginning, the mark, an end


def shorten(labels: Sequence[str], width: int) -> list[str]:
    """`labels` in at most `width` cells of a terminal (`LEAST_LABEL` or more), long ones cut in the middle.

    What was different stays different: the cut goes where the labels are alike, or else each gets its place as a number, for
    which the width must leave room.
    """
    if all(cell_len(text) <= width for text in labels):
        return list(labels)
    room = max(width, LEAST_LABEL) - 1
    different = len(set(labels))
    for ending in sorted(range(1, room), key=lambda ending: abs(ending - room // 2)):
        cut = [cut_out(text, width, room - ending, ending, "…") for text in labels]
        if len(set(cut)) == different:
            return cut
    places = {text: place for place, text in enumerate(dict.fromkeys(labels), 1)}
    room = max(width - len(str(len(places))) - 2, 2)
    return [cut_out(text, width, room - room // 2, room // 2, f"…{places[text]}…") for text in labels]


def cut_out(text: str, width: int, start: int, ending: int, mark: str) -> str:
    """`text`, or its first and last cells with `mark` between them where it is wider than `width`."""
    if cell_len(text) <= width:
        return text
    return beginning(text, start) + mark + beginning(text[::-1], ending)[::-1]


def beginning(text: str, width: int) -> str:
    """As many characters from the left as fit into `width` cells."""
    end = min(len(text), width)
    while cell_len(text[:end]) > width:
        end -= 1
    return text[:end]
