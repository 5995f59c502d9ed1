"""Tables, notes and sentences that adapt to the width of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.common import undecodable
from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable

GAP = 3
INDENT = 2
LABEL_WIDTH = 12  # minimum width of labels
STYLES = {"FAILED": "bold red", "failed": "red", "DIVERGED": "bold yellow", "diverged": "yellow"}
WARNING = "bold magenta"
PERCENT = ("%", "pp")  # units that are left out of headings
STARRED = frozenset({"baseline", "winner"})


@dataclass(frozen=True)
class TerminalTable:
    """A table that on a narrow terminal shortens labels, then drops columns from the right."""

    table: DisplayTable
    indent: int = INDENT

    @classmethod
    def of_rows(cls, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = INDENT) -> TerminalTable:
        """A table of plain text."""
        return cls(DisplayTable.of_rows(columns, rows), indent)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        for parts in self._parts(options.max_width):
            yield styled(*parts)

    def lines(self, width: int) -> list[str]:
        """The table as lines of at most `width` cells; the first column is kept, truncated if necessary."""
        return ["".join(text for text, _ in parts) for parts in self._parts(width)]

    def fits(self, width: int) -> bool:
        """Whether every column fits into `width` cells."""
        return len(self._widths(self._texts(), width)) == len(self._shown.columns)

    @cached_property
    def _shown(self) -> DisplayTable:
        return self.table.shown_in("terminal")

    def _texts(self) -> list[list[str]]:
        headings = [column.header if column.unit in PERCENT else column.title for column in self._shown.columns]
        return [headings, *[[printable(cell.text) + _mark(cell) for cell in row] for row in self._shown.rows]]

    def _widths(self, texts: Sequence[Sequence[str]], width: int) -> list[int]:
        columns = self._shown.columns
        widths = [max(cell_len(row[place]) for row in texts) for place in range(len(columns))]
        least = [
            max(LABEL_WIDTH, cell_len(text)) if column.holds in ("labels", "remarks") else size
            for column, text, size in zip(columns, texts[0], widths, strict=True)
        ]
        return fitting(widths, least, width - self.indent)

    def _parts(self, width: int) -> list[list[tuple[str, str]]]:
        """The pieces of each line with their styles."""
        texts, columns = self._texts(), self._shown.columns
        widths = self._widths(texts, width)
        for place, size in enumerate(widths):
            if columns[place].holds == "labels":
                for row, label in zip(texts[1:], phrases.shorten([row[place] for row in texts[1:]], size), strict=True):
                    row[place] = label
        # The ellipsis marks dropped columns.
        mark = " " * GAP + "…" if len(widths) < len(columns) else ""
        lines = []
        for row in texts:
            parts = [(" " * self.indent, "")]
            for place, (column, size) in enumerate(zip(columns, widths, strict=False)):
                style = STYLES.get(row[place], "") if column.holds == "states" else ""
                align = "left" if column.holds == "intervals" else column.align  # aligns the opening brackets
                parts += [(" " * GAP if place else "", ""), (place_cell(row[place], size, align), style)]
            parts.append((mark, ""))
            while parts and not parts[-1][0].strip():
                parts.pop()
            lines.append([*parts[:-1], (parts[-1][0].rstrip(), parts[-1][1])] if parts else [])
        return lines


def _mark(cell: Cell) -> str:
    """A star for the baseline and the winner."""
    return " *" if STARRED.intersection(cell.notes) else ""


@dataclass(frozen=True)
class Note:
    """A key and its text, wrapped with a hanging indent."""

    key: str
    text: str
    width: int  # cells of the widest key
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        start = f"{' ' * INDENT}{self.key:<{self.width}}{' ' * GAP}"
        room = max(options.max_width - cell_len(start), LABEL_WIDTH)
        for line in Text(printable(self.text)).wrap(console, room, overflow="fold", no_wrap=False):
            yield styled((start + line.plain.rstrip(), self.style))
            start = " " * cell_len(start)


@dataclass(frozen=True)
class Sentence:
    """An indented, wrapped text."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.max_width - INDENT, LABEL_WIDTH)
        for line in Text(printable(self.text)).wrap(console, room, overflow="fold"):
            yield styled(" " * INDENT, (line.plain.rstrip(), self.style))


def fitting(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """The widths of as many columns from the left as fit into `width` cells, with room for the ellipsis if some do not fit.

    The widest columns shrink first, down to `least`, before a column is dropped.
    """
    for shown in range(len(widths), 0, -1):
        room = width - GAP * (shown - 1) - (GAP + 1 if shown < len(widths) else 0)
        found = list(widths[:shown])
        for place in sorted(range(shown), key=lambda place: -widths[place]):
            found[place] = max(min(least[place], widths[place]), widths[place] - max(0, sum(found) - room))
        if sum(found) <= room:
            return found
    return [max(1, min(widths[0], room))]


def place_cell(text: str, width: int, align: Literal["left", "right"]) -> str:
    """`text` in exactly `width` cells: padded, or truncated with an ellipsis."""
    if cell_len(text) > width:
        cut = Text(text)
        cut.truncate(width, overflow="ellipsis")
        text = cut.plain
    fill = " " * (width - cell_len(text))
    return fill + text if align == "right" else text + fill


def printable(text: str) -> str:
    """`text` on one line, without control characters, which could move the cursor; paths that are not UTF-8 escaped."""
    return "".join(character if character.isprintable() else " " for character in undecodable.shown(text))


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of texts, some with a style; never wrapped, so that paths can be copied."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")
