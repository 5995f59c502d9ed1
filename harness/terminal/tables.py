"""Tables, notes and sentences that adapt to the width of the terminal; nothing is left out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.terminal.pipe import Pipe
from harness.terminal.wrapping import printable, spans, wrap

GAP = 3
INDENT = 2
LABEL_WIDTH, REMARK_WIDTH = 16, 20  # cells to which labels and remarks may be wrapped
MOST_LINES = {"labels": 3, "remarks": 4}  # about as many lines of a cell as columns side by side are worth
LEAST_ROOM = 24  # cells beside a key; with less the text is below it
STYLES = {"FAILED": "bold red", "failed": "red", "DIVERGED": "bold yellow", "diverged": "yellow"}
WARNING = "bold magenta"
NAMES = ("labels", "code")  # what a column holds whose cells need no heading
STARRED = frozenset({"baseline", "winner"})

Piece = tuple[str, str]  # a text and its style


@dataclass(frozen=True)
class TerminalTable:
    """A table with its columns side by side, labels and remarks wrapped; or, where that is too wide, a block for each row.

    The block of a row is its label, then its other cells with their headings. Headings have no units: show `units` below it.
    """

    table: DisplayTable
    indent: int = INDENT

    @classmethod
    def of_rows(cls, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: int = INDENT) -> TerminalTable:
        """A table of plain text."""
        return cls(DisplayTable.of_rows(columns, rows), indent)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for pieces in self._lines(None if isinstance(console, Pipe) else options.max_width):
            yield styled(*pieces)

    def lines(self, width: int | None) -> list[str]:
        """The table as lines of at most `width` cells, paths aside; None: side by side, however wide."""
        return ["".join(text for text, _ in pieces) for pieces in self._lines(width)]

    def fits(self, width: int) -> bool:
        """Whether the columns fit side by side into `width` cells."""
        return self._widths(width) is not None

    @property
    def units(self) -> str:
        """The units of its columns: `test accuracy in %, difference in pp`; empty without any."""
        columns: dict[str, list[str]] = {}
        for column in self._columns:
            if column.unit:
                columns.setdefault(column.unit, []).append(column.header)
        return ", ".join(f"{phrases.listed(headers)} in {unit}" for unit, headers in columns.items())

    @cached_property
    def _shown(self) -> DisplayTable:
        return self.table.shown_in("terminal")

    @property
    def _columns(self) -> Sequence[Column]:
        return self._shown.columns

    @cached_property
    def _headings(self) -> list[str]:
        return [column.header for column in self._columns]

    @cached_property
    def _rows(self) -> list[list[str]]:
        return [[printable(cell.text) + _mark(cell) for cell in row] for row in self._shown.rows]

    def _lines(self, width: int | None) -> list[list[Piece]]:
        """The pieces of each line with their styles."""
        widths = self._widths(width)
        if widths is None:
            assert width is not None
            return self._stacked(width)
        return [line for row in [self._headings, *self._rows] for line in self._beside(row, widths)]

    def _widths(self, width: int | None) -> list[int] | None:
        """The widths of the columns side by side; None if they do not fit. The widest columns of words are narrowed first."""
        texts = [self._headings, *self._rows]
        widths = [max(cell_len(row[place]) for row in texts) for place in range(len(self._columns))]
        if width is None:
            return widths
        room = width - self.indent - GAP * (len(widths) - 1)
        found = list(widths)
        for place in sorted(range(len(widths)), key=lambda place: -widths[place]):
            least = max(_least(self._columns[place], widths[place]), cell_len(self._headings[place]))
            found[place] = max(min(least, widths[place]), widths[place] - max(0, sum(found) - room))
        return found if sum(found) <= room else None

    def _beside(self, row: Sequence[str], widths: Sequence[int]) -> list[list[Piece]]:
        """The lines of one row, its cells side by side."""
        folded = [wrap(text, size, paths=False) for text, size in zip(row, widths, strict=True)]
        lines = []
        for texts in zip_longest(*folded, fillvalue=""):
            pieces: list[Piece] = [(" " * self.indent, "")]
            for place, (column, text, size) in enumerate(zip(self._columns, texts, widths, strict=True)):
                align = "left" if column.holds == "intervals" else column.align  # aligns the opening brackets
                pieces += [(" " * GAP if place else "", ""), (placed(text, size, align), _style(column, text))]
            lines.append(_trimmed(pieces))
        return lines

    def _stacked(self, width: int) -> list[list[Piece]]:
        """A block for each row: its label, then the other cells with their headings, as many on a line as fit."""
        columns, headings = self._columns, self._headings
        kinds = [column.holds for column in columns]
        first = next((kinds.index(kind) for kind in NAMES if kind in kinds), 0)
        named = kinds[first] in NAMES
        lines: list[list[Piece]] = [[(" " * self.indent + headings[first], "")]] if named else []
        own = " " * (self.indent + (INDENT if named else 0))
        for row in self._rows:
            title = row[first] if named else f"{headings[first]} {row[first]}".strip()
            lines += [[(own + text, _style(columns[first], row[first]))] for text in wrap(title, width - len(own))]
            pairs = [
                [(f"{heading} " if heading else "", ""), (text, _style(column, text))]
                for place, (column, heading, text) in enumerate(zip(columns, headings, row, strict=True))
                if place != first and text not in ("", phrases.NOTHING)
            ]
            lines += [[(own + " " * INDENT, ""), *line] for line in _packed(pairs, width - len(own) - INDENT)]
        return lines


def _least(column: Column, widest: int) -> int:
    """The cells that a column needs, whose widest cell is `widest`."""
    if column.holds == "labels":
        return max(LABEL_WIDTH, -(-widest // MOST_LINES["labels"]))
    return max(REMARK_WIDTH, -(-widest // MOST_LINES["remarks"])) if column.holds == "remarks" else widest


def _style(column: Column, text: str) -> str:
    return STYLES.get(text, "") if column.holds == "states" else ""


def _trimmed(pieces: list[Piece]) -> list[Piece]:
    """Without spaces at the end of the line."""
    while pieces and not pieces[-1][0].strip():
        pieces.pop()
    return [*pieces[:-1], (pieces[-1][0].rstrip(), pieces[-1][1])] if pieces else []


def _packed(pairs: Sequence[list[Piece]], width: int) -> list[list[Piece]]:
    """Pairs of heading and text in lines of `width` cells; one that is wider is wrapped."""
    lines: list[list[Piece]] = []
    used = width
    for pair in pairs:
        whole = "".join(text for text, _ in pair)
        if used + GAP + cell_len(whole) <= width:
            lines[-1] += [(" " * GAP, ""), *pair]
            used += GAP + cell_len(whole)
        elif cell_len(whole) <= width:
            lines.append(list(pair))
            used = cell_len(whole)
        else:
            parts = wrap(whole, width - INDENT)
            lines += [[(parts[0], "")], *([(" " * INDENT + part, "")] for part in parts[1:])]
            used = width
    return lines


def _mark(cell: Cell) -> str:
    """A star for the baseline and the winner."""
    return " *" if STARRED.intersection(cell.notes) else ""


@dataclass(frozen=True)
class Note:
    """A key and its text, wrapped with a hanging indent; below the key where there is little room beside it."""

    key: str
    text: str
    width: int  # cells of the widest key
    style: str = ""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        start = f"{' ' * INDENT}{self.key:<{self.width}}{' ' * GAP}"
        room = options.max_width - cell_len(start)
        if room < LEAST_ROOM:
            if self.key:
                yield Sentence(self.key, self.style)
            yield Sentence(self.text, self.style, 2 * INDENT)
            return
        for line in wrap(printable(self.text), room):
            yield styled((start + line, self.style))
            start = " " * cell_len(start)


@dataclass(frozen=True)
class Sentence:
    """An indented, wrapped text."""

    text: str
    style: str = ""
    indent: int = INDENT

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        for line in wrap(printable(self.text), max(options.max_width - self.indent, 1)):
            yield styled(" " * self.indent, (line, self.style))


@dataclass(frozen=True)
class Line:
    """One line with its styles, whole in a pipe; on a terminal it is wrapped with a hanging indent."""

    text: Text
    hang: int = INDENT

    @classmethod
    def of(cls, text: str, style: str = "", hang: int = INDENT) -> Line:
        """A line in one style."""
        return cls(styled((printable(text), style)), hang)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if isinstance(console, Pipe):
            yield self.text
            return
        yield from folded(self.text, options.max_width, self.hang)


def with_units(table: TerminalTable) -> list[RenderableType]:
    """The table and a line with its units, if it has any."""
    return [table, *([Sentence(table.units)] if table.units else [])]


def folded(text: Text, width: int, hang: int = 0) -> list[Text]:
    """`text` in lines of `width` cells with its styles, all but the first indented by `hang`, or less if there is little room."""
    hang = min(hang, 2 * INDENT) if width - hang < LEAST_ROOM else hang
    first, *_ = spans(text.plain, max(width, 1))
    rest = text[first[1] :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    following = spans(rest.plain, max(width - hang, 1)) if rest.plain else []
    return [styled(text[: first[1]]), *(styled(" " * hang, rest[start:end]) for start, end in following)]


def placed(text: str, width: int, align: Literal["left", "right"]) -> str:
    """`text` with spaces that fill `width` cells."""
    fill = " " * (width - cell_len(text))
    return fill + text if align == "right" else text + fill


def styled(*parts: str | Piece | Text) -> Text:
    """A line of texts, some with a style; never wrapped, so that paths can be copied."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")
