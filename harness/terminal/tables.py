"""Tables, notes and sentences on a terminal: as wide as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable

GAP = 3
INDENT = 2
LABEL_WIDTH = 12  # labels are not cut further to keep other columns
# One word, one style; the word itself says what it means.
STYLES = {"FAILED": "bold red", "failed": "red", "DIVERGED": "bold yellow", "diverged": "yellow"}
WARNING = "bold magenta"
PERCENT = ("%", "pp")  # units of numbers that are known for percentages by their name
STARRED = frozenset({"baseline", "winner"})


@dataclass(frozen=True)
class TerminalTable:
    """A table that shortens labels, then loses columns from the right, never lines, where the terminal is narrow."""

    table: DisplayTable
    indent: int = INDENT

    @classmethod
    def of_rows(cls, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = INDENT) -> TerminalTable:
        """The table with these rows of plain text."""
        return cls(DisplayTable.of_rows(columns, rows), indent)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        for parts in self._parts(options.max_width):
            yield styled(*parts)

    def lines(self, width: int) -> list[str]:
        """The table as lines of at most `width` cells; the first column always stays, cut where it must be."""
        return ["".join(text for text, _ in parts) for parts in self._parts(width)]

    def fits(self, width: int) -> bool:
        """Whether every column is shown on a terminal of `width` cells."""
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
        """Each line's pieces of text with their styles."""
        texts, columns = self._texts(), self._shown.columns
        widths = self._widths(texts, width)
        for place, size in enumerate(widths):
            if columns[place].holds == "labels":
                for row, label in zip(texts[1:], phrases.shorten([row[place] for row in texts[1:]], size), strict=True):
                    row[place] = label
        # The mark says that the terminal, not the harness, left something out.
        mark = " " * GAP + "…" if len(widths) < len(columns) else ""
        lines = []
        for row in texts:
            parts = [(" " * self.indent, "")]
            for place, (column, size) in enumerate(zip(columns, widths, strict=False)):
                style = STYLES.get(row[place], "") if column.holds == "states" else ""
                align = "left" if column.holds == "intervals" else column.align  # so that opening brackets stand in line
                parts += [(" " * GAP if place else "", ""), (place_cell(row[place], size, align), style)]
            parts.append((mark, ""))
            while parts and not parts[-1][0].strip():
                parts.pop()
            lines.append([*parts[:-1], (parts[-1][0].rstrip(), parts[-1][1])] if parts else [])
        return lines


def _mark(cell: Cell) -> str:
    """A star for the baseline and the winner; other notes have no room."""
    return " *" if STARRED.intersection(cell.notes) else ""


@dataclass(frozen=True)
class Note:
    """A text behind its key; what one line cannot hold goes on below its beginning."""

    key: str
    text: str
    width: int  # cells of the widest key
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        start = f"{' ' * INDENT}{self.key:<{self.width}}{' ' * GAP}"
        # Narrower than one label the text would be a column of letters.
        room = max(options.max_width - cell_len(start), LABEL_WIDTH)
        for line in Text(printable(self.text)).wrap(console, room, overflow="fold", no_wrap=False):
            yield styled((start + line.plain.rstrip(), self.style))
            start = " " * cell_len(start)


@dataclass(frozen=True)
class Sentence:
    """An indented text that is wrapped where the terminal ends."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.max_width - INDENT, LABEL_WIDTH)
        for line in Text(printable(self.text)).wrap(console, room, overflow="fold"):
            yield styled(" " * INDENT, (line.plain.rstrip(), self.style))


def fitting(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """The widths of as many columns from the left as fit into `width` cells; where not all do, with the mark for the lost ones.

    The widest ones first give way, down to `least`, before any column is lost.
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
    """`text` in exactly `width` cells: filled up, or cut with an ellipsis."""
    if cell_len(text) > width:
        cut = Text(text)
        cut.truncate(width, overflow="ellipsis")
        text = cut.plain
    fill = " " * (width - cell_len(text))
    return fill + text if align == "right" else text + fill


def printable(text: str) -> str:
    """`text` on one line, without the control characters that could move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of texts, some with a style; never wrapped, so that a copied path stays whole."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")
