"""Columns and rows -> a table for a terminal that loses columns from the right, never lines, where it is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

GAP = 3
INDENT = 2
# One word, one style; the word itself says what it means.
STYLES = {"FAILED": "bold red", "failed": "red", "DIVERGED": "bold yellow", "diverged": "yellow", "REHEARSAL": "bold magenta"}


@dataclass(frozen=True)
class Column:
    """A table's column: its heading and where its cells stand."""

    heading: str
    justify: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Grid:
    """A table of text; `rows` have a cell a column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    indent: int = INDENT

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        yield from (styled(line) for line in self.lines(options.max_width))

    def lines(self, width: int) -> list[str]:
        """The table as lines of at most `width` cells; the first column always stays, cut where it must be."""
        cells = [[column.heading for column in self.columns], *[list(map(printable, row)) for row in self.rows]]
        widths = [max(cell_len(row[place]) for row in cells) for place in range(len(self.columns))]
        shown = fitting(widths, width - self.indent)
        lost = shown < len(widths)
        widths[0] = max(1, min(widths[0], width - self.indent - (GAP + 1 if lost else 0)))
        lines = []
        for row in cells:
            parts = [place_cell(row[at], widths[at], self.columns[at].justify) for at in range(shown)]
            # The mark says that the terminal, not the harness, left something out.
            parts += ["…"] if lost else []
            lines.append((" " * self.indent + (" " * GAP).join(parts)).rstrip())
        return lines


def fitting(widths: Sequence[int], width: int) -> int:
    """How many columns from the left fit into `width` cells; where not all do, with the mark for the lost ones."""
    if sum(widths) + GAP * (len(widths) - 1) <= width:
        return len(widths)
    for shown in range(len(widths) - 1, 1, -1):
        if sum(widths[:shown]) + GAP * shown + 1 <= width:
            return shown
    return 1


def place_cell(text: str, width: int, justify: Literal["left", "right"]) -> str:
    """`text` in exactly `width` cells: filled up, or cut with an ellipsis."""
    if cell_len(text) > width:
        cut = Text(text)
        cut.truncate(width, overflow="ellipsis")
        text = cut.plain
    fill = " " * (width - cell_len(text))
    return fill + text if justify == "right" else text + fill


def printable(text: str) -> str:
    """`text` on one line, without the control characters that could move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def styled(line: str) -> Text:
    """A line with its telling words coloured; never wrapped, so that a copied path stays whole."""
    text = Text(line, no_wrap=True, overflow="ignore")
    for word, style in STYLES.items():
        text.highlight_regex(rf"\b{word}\b", style)
    return text
