"""The table model that the terminal, HTML, Markdown and LaTeX render: columns of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from harness.reporting import phrases

Format = Literal["terminal", "html", "markdown", "latex"]
EVERYWHERE: tuple[Format, ...] = ("terminal", "html", "markdown", "latex")
REPORTS: tuple[Format, ...] = ("html", "markdown")

MARK = "✓"  # a component is on
NAMED = 6  # ids in the tooltip of a number
MOST_IDS = 200  # that a page keeps beside a number; of more, the tooltip has their number, and runs.csv all


def kept_ids(run_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The runs that a number comes from, for pages; none if they are more than `MOST_IDS`."""
    return run_ids if len(run_ids) <= MOST_IDS else ()


@dataclass(frozen=True)
class Link:
    """A link to a run's folder, one of its files or a web page; plain text without a `target`."""

    text: str
    target: str = ""  # relative to the report's folder, or an address on the web
    seed: int | None = None  # of the run, in lists of runs by seed
    code: bool = False  # whether the text is an id
    about: str = ""  # aria-label: what the link leads to


@dataclass(frozen=True)
class Cell:
    """A table cell. Text that begins with a space belongs to the row above."""

    text: str = ""
    run_ids: tuple[str, ...] = ()  # the runs that a number comes from
    value: float | None = None  # sort key if the text is not one
    notes: tuple[str, ...] = ()  # remarks after the text, such as `baseline`
    links: tuple[Link, ...] = ()  # shown instead of the text in formats with links
    bold: bool = False  # the text up to its ±
    anchor: str = ""  # HTML id of the cell; in the first column, of the row

    @property
    def halves(self) -> tuple[str, str]:
        """The part of the text that `bold` is about, and the rest: `93.04`, ` ± 0.15`."""
        head, mark, rest = self.text.partition(" ± ")
        return head, f"{mark}{rest}"

    @property
    def kept_ids(self) -> tuple[str, ...]:
        """`kept_ids` of its runs."""
        return kept_ids(self.run_ids)

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

    `holds`: kind of content, which decides how a format styles and shortens it: labels are cut in the middle, remarks at the end
    or wrapped; states and verdicts are styled words; marks are `MARK` or nothing.
    """

    header: str
    align: Literal["left", "right"] = "left"
    holds: Literal["text", "labels", "remarks", "states", "verdicts", "intervals", "code", "marks"] = "text"
    unit: str = ""
    cells: Sequence[Cell] = ()
    optional: bool = False  # left out if empty
    formats: tuple[Format, ...] = EVERYWHERE
    group: str = ""  # a heading above it and the columns beside it of the same group

    @property
    def title(self) -> str:
        """The header with its unit."""
        return f"{self.header} ({self.unit})" if self.unit else self.header


@dataclass(frozen=True)
class DisplayTable:
    """Columns, a title, and a note on how to read them."""

    columns: Sequence[Column]
    title: str = ""
    note: str = ""

    @classmethod
    def of_rows(cls, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> DisplayTable:
        """The table with these rows of plain text."""
        cells = list(zip(*rows, strict=True)) or [()] * len(columns)
        return cls([replace(column, cells=[Cell(text) for text in own]) for column, own in zip(columns, cells, strict=True)])

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The headings above the columns and how many columns each spans, from the left; none if no column has a group."""
        found = [(name, len(list(own))) for name, own in groupby(self.columns, key=lambda column: column.group)]
        return found if any(name for name, _ in found) else []

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells of each row, in the order of the columns."""
        return list(zip(*(column.cells for column in self.columns), strict=True))

    def shown_in(self, form: Format) -> DisplayTable:
        """The table without columns of other formats and without empty optional ones."""
        own = [column for column in self.columns if form in column.formats]
        # The terminal shows marks instead of notes, such as a star for the baseline.
        filled = [any(cell.text or cell.links or (cell.notes and form != "terminal") for cell in column.cells) for column in own]
        return replace(self, columns=[column for column, some in zip(own, filled, strict=True) if some or not column.optional])
