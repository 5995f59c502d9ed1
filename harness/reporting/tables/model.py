"""A table as it is shown: columns of cells. The terminal, HTML, Markdown and LaTeX each render it, none adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.reporting import phrases

Format = Literal["terminal", "html", "markdown", "latex"]
EVERYWHERE: tuple[Format, ...] = ("terminal", "html", "markdown", "latex")
REPORTS: tuple[Format, ...] = ("html", "markdown")

NAMED = 6  # ids that a number names when it is pointed at


@dataclass(frozen=True)
class Link:
    """A link to a run's folder, a file of it or a web page. Without a `target` the text stands alone."""

    text: str
    target: str = ""  # relative to the report's folder, or an address on the web
    seed: int | None = None  # of the run, where runs are listed by seed
    code: bool = False  # whether the text is an id
    about: str = ""  # what it leads to, for readers who hear the links alone


@dataclass(frozen=True)
class Cell:
    """What stands in one row of a column. A text that begins with a space belongs to the row above."""

    text: str = ""
    run_ids: tuple[str, ...] = ()  # the runs that a number comes from
    value: float | None = None  # what the column is sorted by, where the text does not tell
    notes: tuple[str, ...] = ()  # remarks behind the text, such as `baseline`
    links: tuple[Link, ...] = ()  # in place of the text, where a format has links
    anchor: str = ""  # what links within a page call it; of the first cell: the row

    @property
    def title(self) -> str:
        """`from 2 runs: a00000000000, a00000000001`."""
        if not self.run_ids:
            return ""
        named = ", ".join(self.run_ids[:NAMED])
        rest = f" and {len(self.run_ids) - NAMED:,d} more" if len(self.run_ids) > NAMED else ""
        return f"from {phrases.plural(len(self.run_ids), 'run')}: {named}{rest}"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `holds` says what its cells are, for a format to style or to shorten them: labels may be cut in their middle, remarks at their
    end or be wrapped; states and verdicts are words with a style.
    """

    header: str
    align: Literal["left", "right"] = "left"
    holds: Literal["text", "labels", "remarks", "states", "verdicts", "intervals", "code"] = "text"
    unit: str = ""
    cells: Sequence[Cell] = ()
    optional: bool = False  # left out where nothing stands in it
    formats: tuple[Format, ...] = EVERYWHERE  # that show it

    @property
    def title(self) -> str:
        """The header with its unit."""
        return f"{self.header} ({self.unit})" if self.unit else self.header


@dataclass(frozen=True)
class DisplayTable:
    """A table for people: columns, what it is about, and how to read it."""

    columns: Sequence[Column]
    title: str = ""
    reading: str = ""

    @classmethod
    def of_rows(cls, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> DisplayTable:
        """The table with these rows of plain text."""
        cells = list(zip(*rows, strict=True)) or [()] * len(columns)
        return cls([replace(column, cells=[Cell(text) for text in own]) for column, own in zip(columns, cells, strict=True)])

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells of each row, in the order of the columns."""
        return list(zip(*(column.cells for column in self.columns), strict=True))

    def shown_in(self, form: Format) -> DisplayTable:
        """The table as a format shows it: without columns that are not for it, and without optional ones that are empty."""
        own = [column for column in self.columns if form in column.formats]
        # A terminal shows no notes but marks, such as the star of the baseline.
        filled = [any(cell.text or cell.links or (cell.notes and form != "terminal") for cell in column.cells) for column in own]
        return replace(self, columns=[column for column, some in zip(own, filled, strict=True) if some or not column.optional])
