"""Lines of a CSV or TSV file -> rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from harness.tasks.command.files.reading import Reading, listed, unreadable
from harness.tasks.command.files.steps import step_name, whole_step
from harness.tasks.command.reading.numbers import Decimal, number

NOT_MEASURED = frozenset({"", "na", "n/a", "none", "null"})  # cells without a value, in lower case
LONGEST_CELL = 1 << 16  # characters until the end of a quoted cell
BYTE_ORDER_MARK = "\ufeff"


class Table:
    """A parser (see stream.py). The first line is the header; the separator is the one that splits it."""

    def __init__(
        self,
        name: str,
        columns: Mapping[str, str],
        *,
        step: str | None = None,
        decimal: Decimal | None = None,
        separators: str = ",;\t",
    ) -> None:
        """`columns` are those of the metrics; `step` the column of the step, if it is not found by its name."""
        self.name, self.columns, self.decimal = name, columns, decimal
        self._step, self._separators = step, separators
        self._separator = separators[0]
        self.header: list[str] | None = None
        self._places: dict[str, int] = {}  # metric -> column number
        self._step_place: int | None = None
        self._open, self._open_line = "", 0  # a quoted cell that continues in the next line

    def line(self, text: str, number: int, *, whole: bool) -> Sequence[Reading]:
        """One row, or none. Raises TrainingFailed."""
        if not self._open:
            self._open_line = number
            if not text.strip():
                return ()
        text = self._open + text
        if self.header is None and not self._open:
            text = text.removeprefix(BYTE_ORDER_MARK)
            self._separator = self._separator_of(text)
        cells = _cells(text, self._separator)
        if cells is None:
            return self._continued(text, whole=whole)
        self._open = ""
        if self.header is None:
            self._begin(cells)
            return ()
        return self._row(cells, whole=whole)

    def _continued(self, text: str, *, whole: bool) -> Sequence[Reading]:
        if not whole or len(text) > LONGEST_CELL:
            raise unreadable(f'{self.name}, line {self._open_line}: a quoted cell is not closed; the quote is missing: "')
        self._open = text + "\n"
        return ()

    def _row(self, cells: Sequence[str], *, whole: bool) -> Sequence[Reading]:
        header = self.header or []
        if [cell.strip() for cell in cells] == header:  # written again by a resumed program
            return ()
        if len(cells) < len(header) and not whole:
            return ()
        if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
            hint = "; a decimal comma needs quotes, or another separator" if len(cells) > len(header) else ""
            raise unreadable(
                f"{self.name}, line {self._open_line}: has {_count(len(cells))}, but the header has {len(header)}{hint}"
            )
        values = {metric: value for metric, place in self._places.items() if (value := self._value(cells, place)) is not None}
        step = None if self._step_place is None else self._value(cells, self._step_place)
        where = f"{self.name}, line {self._open_line}"
        return (Reading(None if step is None else whole_step(step, where, header[self._step_place or 0]), values),)

    def _begin(self, cells: Sequence[str]) -> None:
        header = [cell.strip() for cell in cells]
        step = self._step if self._step is not None else step_name(header)
        if step is not None and step not in header:
            raise unreadable(
                f"{self.name}, line {self._open_line}: has no column {step!r} (step); its columns: {listed(header, near=step)}"
            )
        for column in (*self.columns.values(), step):
            if header.count(column or "") > 1:
                raise unreadable(
                    f"{self.name}, line {self._open_line}: has {header.count(column or '')} columns {column!r}; rename one"
                )
        self._places = {metric: header.index(column) for metric, column in self.columns.items() if column in header}
        self._step_place = None if step is None else header.index(step)
        self.header = header

    def _separator_of(self, text: str) -> str:
        """The separator by which the header has most of the columns that are needed, then most columns."""

        def rank(separator: str) -> tuple[int, int]:
            header = [cell.strip() for cell in _cells(text, separator) or ()]
            return sum(column in header for column in self.columns.values()), len(header)

        return max(self._separators, key=rank)

    def _value(self, cells: Sequence[str], place: int) -> float | None:
        cell = cells[place].strip()
        if cell.lower() in NOT_MEASURED:
            return None
        try:
            return number(cell, self.decimal)
        except ValueError as error:
            column = (self.header or [])[place]
            raise unreadable(f"{self.name}, line {self._open_line}, column {column!r}: {error}") from error

    def why_missing(self, metric: str) -> str:
        """Of a metric without values."""
        column = self.columns[metric]
        if self.header is None:
            return f"{self.name} has no header, or is empty"
        if column in self.header:
            return f"the column {column!r} of {self.name} is empty in all rows"
        return f"{self.name} has no column {column!r}; its columns: {listed(self.header, near=column)}"


def _cells(text: str, separator: str) -> list[str] | None:
    """The cells of a row; None if a quoted one is not closed."""
    if '"' not in text:
        return text.split(separator)
    reader = csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True)
    try:
        return next(reader)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
    return next(csv.reader([text], delimiter=separator, skipinitialspace=True))


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
