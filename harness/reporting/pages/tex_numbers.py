"""A column of numbers -> LaTeX cells whose decimal points are in a line, by invisible digits."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.reporting.pages.tex import number

# What is before a number, its sign, its whole part, its fraction.
PART = re.compile(r"([^\d+-]*)([+-]?)(\d[\d,]*)((?:\.\d+)?)")


@dataclass(frozen=True)
class _Part:
    """A number in a text, with the text before it."""

    before: str
    sign: str
    whole: str
    fraction: str

    def latex(self, widest: str, *, first: bool, bold: bool = False) -> str:
        """The part with a gap for the digits that `widest` has more; the first number needs none, as it is set to the right."""
        gap = "" if first else widest[: len(widest) - len(self.whole)]
        value = f"{number(self.sign)}{self.whole}{self.fraction}"
        marked = rf"\bestvalue{{{value}}}" if bold else value
        return f"{_spaced(self.before)}{_invisible(gap)}{marked}"


def aligned(texts: Sequence[str], bold: Collection[int] = ()) -> list[str]:
    """The escaped cells of a column that is set to the right.

    Below `93.04 ± 12.33`, `9.10 ± 0.15` gets an invisible digit before 0.15, and `9.10` alone an invisible ` ± 12.33` behind it.
    The first number of the rows `bold` is the argument of \\bestvalue.
    """
    found = [[_Part(*match) for match in PART.findall(text)] for text in texts]
    longest = max(found, key=len, default=[])
    widest = [max((own[place].whole for own in found if place < len(own)), key=len) for place in range(len(longest))]
    cells = []
    for row, (text, own) in enumerate(zip(texts, found, strict=True)):
        shown = [part.latex(widest[at], first=at == 0, bold=at == 0 and row in bold) for at, part in enumerate(own)]
        lacking = [_Part(part.before, part.sign, widest[at], part.fraction) for at, part in enumerate(longest) if at >= len(own)]
        rest = "".join(part.latex(part.whole, first=True) for part in lacking) if own else ""
        cells.append("".join([*shown, _spaced(PART.sub("", text) if own else text), _invisible(rest)]))
    return cells


def _invisible(text: str) -> str:
    return rf"\phantom{{{text}}}" if text else ""


def _spaced(text: str) -> str:
    """Escaped text that keeps a space at either end."""
    end = " " if text.endswith(" ") and len(text) > 1 else ""
    return f"{' ' if text.startswith(' ') else ''}{number(text)}{end}"
