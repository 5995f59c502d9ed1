"""Text with separators (CSV, TSV) -> ResultsTable.

A text whose quotes hold nothing that needs them is split by Arrow, in a fifth of the time; any other, and one that Arrow refuses,
by Python's csv module, which also finds the line of an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.column import Column, from_texts, has_commas, may_be_thousands
from harness.existing.results_table import ResultsTable
from harness.existing.table import results_table, without_collection

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
HEAD = 1 << 20  # characters, to the end of a line, that hold the names
SAMPLE = 20  # rows by which the separator is found
BLANK = " \t\xa0"  # around a cell, not part of it
UNNAMED = "column "  # and its number


class Lines:
    """The rows of a text, with the lines on which they begin. Blank lines are skipped."""

    def __init__(self, source: str, text: str, separator: str) -> None:
        self.source, self._text, self._separator = source, text, separator

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Raises InputError."""
        blank = BLANK.replace(self._separator, "")
        reader = csv.reader(io.StringIO(self._text, newline=""), delimiter=self._separator, skipinitialspace=True, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(f"{self.source}: line {line}: {_explained(error)}") from error
            if row and (len(row) > 1 or row[0].strip(blank)):
                yield line, row

    @cached_property
    def starts(self) -> list[int]:
        """The lines on which the rows below the names begin."""
        return [line for line, _ in self][1:]

    def place(self, position: int) -> str:
        """`line 18`, of the row at this position below the names."""
        return f"line {self.starts[position]}"


def read_delimited(source: str, text: str, separator: str | None) -> ResultsTable:
    """`separator` None: found by the first rows. Raises InputError."""
    head = text[: text.find("\n", HEAD) + 1 or None]
    separator = separator or _separator(source, head)
    line, names = next(iter(Lines(source, head, separator)), (0, []))
    names = _checked(source, line, [name.strip(BLANK) for name in names])
    lines = Lines(source, text, separator)
    with without_collection():
        cells = _split(text, separator, len(names)) or _read(lines, names)
    if not cells or not len(cells[0]):
        raise InputError(f"{source}: has no rows, only the names on line {line}")
    columns, notes = _columns(cells, names, separator)
    return results_table(source, columns, _place(lines, text, len(cells[0])), notes)


def _columns(cells: Sequence[Any], names: Sequence[str], separator: str) -> tuple[dict[str, Column], list[str]]:
    columns = {name: from_texts(texts) for name, texts in zip(names, cells, strict=True)}
    notes = _with_commas(columns, dict(zip(names, cells, strict=True))) if separator == ";" else []
    # A separator at the end of each line makes a column with neither a name nor a value.
    return {name: column for name, column in columns.items() if not (name.startswith(UNNAMED) and column.empty.all())}, notes


def _with_commas(columns: dict[str, Column], cells: Mapping[str, Any]) -> list[str]:
    """Replaces columns of numbers with decimal commas, unless other numbers have a point; the notes on it."""
    import pyarrow.compute as pc

    commas = [name for name, column in columns.items() if column.values.dtype == object and has_commas(cells[name])]
    points = any(column.values.dtype == float and _has(cells[name], ".") for name, column in columns.items())
    if points or all(may_be_thousands(cells[name]) for name in commas):
        return []
    for name in commas:
        columns[name] = from_texts(pc.replace_substring(cells[name], ",", "."))
    example = cells[commas[0]].filter(pc.match_substring(cells[commas[0]], ","))[0]
    listed = ", ".join(map(show, commas[:5])) + (f" and {len(commas) - 5} more" if len(commas) > 5 else "")
    return [f"the comma in numbers such as {example} is read as a decimal comma, in: {listed}"]


def _has(cells: Any, part: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring(cells, part)).as_py())


def _split(text: str, separator: str, count: int) -> list[Any] | None:
    """The columns below the names, by Arrow; None: the text needs the exact reader."""
    quotes = text.count('"')
    if quotes:
        cell = re.compile(rf'(?<![^{separator}\n])"([^"{separator}\r\n]*)"(?={re.escape(separator)}|\r?\n|\Z)')
        text, bare = cell.subn(r"\1", text)
        if quotes != 2 * bare:
            return None
    if text.count("\r") != text.count("\r\n"):
        return None
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as arrow

    names = [f"f{number}" for number in range(count)]
    try:
        table = arrow.read_csv(
            pa.BufferReader(text.encode()),
            read_options=arrow.ReadOptions(column_names=names),
            parse_options=arrow.ParseOptions(delimiter=separator, quote_char=False, ignore_empty_lines=True),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    columns = [table[name].slice(1).combine_chunks() for name in names]
    return [pc.utf8_trim(cells, BLANK) for cells in columns] if any(blank in text for blank in BLANK) else columns


def _read(lines: Lines, names: Sequence[str]) -> list[Any]:
    """The columns below the names. Raises InputError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows: list[list[str]] = []
    for line, row in islice(lines, 1, None):
        if len(row) != len(names):
            many = "quote a cell that contains the separator"
            advice = many if len(row) > len(names) else "leave an empty cell for a missing value"
            raise InputError(f"{lines.source}: line {line}: {_counted(row)}, but there are {len(names)} names; {advice}")
        rows.append(row)
    return [pc.utf8_trim(pa.array(cells, pa.string()), BLANK) for cells in zip(*rows, strict=True)]


def _counted(row: Sequence[str]) -> str:
    return f"{len(row)} cell{'s' if len(row) != 1 else ''}"


def _checked(source: str, line: int, names: Sequence[str]) -> list[str]:
    if not names:
        raise InputError(f"{source}: is empty")
    if names[0].lower() == "sep=":
        raise InputError(f"{source}: line {line}: names the separator, as Excel wants it; remove this line")
    if len(names) == 1:
        wanted = ", ".join(NAMES.values())
        raise InputError(f"{source}: line {line}: only one column, {show(names[0])}; separate columns by one of: {wanted}")
    if all(_is_number(name) for name in names):
        raise InputError(f"{source}: line {line}: has only numbers; the first line must name the columns")
    named = [name or f"{UNNAMED}{number}" for number, name in enumerate(names, 1)]
    seen: dict[str, int] = {}
    for number, name in enumerate(named, 1):
        if name in seen:
            raise InputError(f"{source}: line {line}: columns {seen[name]} and {number} are both named {show(name)}; rename one")
        seen[name] = number
    return named


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _separator(source: str, text: str) -> str:
    """The one by which the first rows have equally many cells, the most if there are several such; else that of most names."""

    def rows(separator: str) -> list[int]:
        found = []
        with suppress(InputError):  # it is reported once the separator is known
            for _, row in islice(Lines(source, text, separator), SAMPLE):
                found.append(len(row))
        return found

    counts = {separator: found for separator in SEPARATORS if (found := rows(separator))}
    if not counts:
        return SEPARATORS[0]
    return max(counts, key=lambda separator: (counts[separator][0] > 1, len(set(counts[separator])) == 1, counts[separator][0]))


def _place(lines: Lines, text: str, rows: int) -> Callable[[int], str]:
    ends = text.count("\n") + (not text.endswith("\n"))
    if text.count("\r") == text.count("\r\n") and ends == rows + 1:  # neither blank lines nor cells of several lines
        return lambda position: f"line {position + 2}"
    return lines.place


def _explained(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return 'a quote (") is opened and never closed'
    if "expected after" in text:
        return 'a quote (") ends before the end of its cell; double the quotes inside a quoted cell'
    if "field larger" in text:
        return f'a cell is longer than {csv.field_size_limit()} characters; is a quote (") never closed?'
    return text
