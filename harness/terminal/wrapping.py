"""Text -> lines of a width. Intervals, `n 5, p .004` and paths stay in one piece. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len

from harness.common import undecodable
from harness.reporting import phrases

# Spaces at which no line ends: in an interval, in `n 5, p .004`, before a unit that is a sign, before the star of the baseline.
WHOLE = re.compile(
    r"""\[[^][ ]+[ ][^][ ]+\]
    |(?<![\w.]) n[ ][\d,]+,[ ]p[ ] (?=[<.\d])
    |(?<![\w.]) [np][ ] (?=[<.\d])
    |(?<=\d) [ ] (?=(?:pp|%)(?!\w))
    |(?<=\S) [ ] (?=\*$)""",
    re.VERBOSE,
)
GLUE = "\0"  # instead of such a space: of the same length, and in no printable text
SEPARATOR = re.compile(r"[^,=_:;+./-]*[,=_:;+./-]+")


def printable(text: str) -> str:
    """`text` on one line, without control characters, which could move the cursor; paths that are not UTF-8 escaped."""
    return "".join(character if character.isprintable() else " " for character in undecodable.shown(text))


def wrap(text: str, width: int, *, paths: bool = True) -> list[str]:
    """`text` in lines of at most `width` cells; at least one line."""
    return [text[start:end] for start, end in spans(text, width, paths=paths)]


def spans(text: str, width: int, *, paths: bool = True) -> list[tuple[int, int]]:
    """Start and end of each line.

    A word that is wider than `width` is folded, at a separator if there is one. With `paths`, one with a slash is not, so that it
    can be copied.
    """
    glued, found, start, end = WHOLE.sub(lambda match: match.group().replace(" ", GLUE), text), [], 0, 0
    for word in re.finditer("[^ ]+", glued):
        if cell_len(text[start : word.end()]) > width:
            if text[start:end].strip():
                found.append((start, end))
            start = word.start()
            while cell_len(text[start : word.end()]) > width and not (paths and "/" in word.group()):
                place = start + _fold(text[start : word.end()], width)
                found.append((start, place))
                start = place + len(text[place:]) - len(text[place:].lstrip(" "))
        end = word.end()
    return [*found, (start, end)]


def wrap_parts(parts: Sequence[str], width: int, between: str = ", ") -> list[str]:
    """The parts in as few lines of at most `width` cells as possible; a part that is wider than a line is broken."""
    mark = between.rstrip() if between.startswith(",") else ""  # at the end of a line
    lines: list[str] = []
    is_broken = False
    for part in map(printable, filter(None, parts)):
        if lines and not is_broken and cell_len(lines[-1] + between + part + mark) <= width:
            lines[-1] += between + part
            continue
        lines[-1:] = [lines[-1] + mark] if lines else []
        found = wrap_part(part, width - len(mark))
        is_broken = len(found) > 1
        lines += found
    return lines


def wrap_part(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken behind commas or else at spaces where there are any."""
    if cell_len(text) <= width:
        return [text]
    if len(parts := text.split(", ")) > 1:
        return wrap_parts(parts, width)
    return wrap(printable(text), max(1, width), paths=False)


def _fold(word: str, width: int) -> int:
    """The number of characters that fit: up to a separator in the second half of the line, or as many as there is room for."""
    room = max(1, len(phrases.prefix(word, width)))
    ends = [match.end() for match in SEPARATOR.finditer(word[:room])]
    return ends[-1] if ends and ends[-1] > room // 2 else room
