"""JSON lines, or an array of objects -> ResultsTable."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.existing.table import columns_of, flat, results_table, without_collection

NESTED = frozenset((dict, list))


def read_json(source: str, text: str) -> ResultsTable:
    """Nested objects become columns such as `config.lr`. Raises InputError."""
    with without_collection():
        rows, place = _array(source, text) if text.lstrip().startswith("[") else _lines(source, text)
        if not rows:
            raise InputError(f"{source}: has no rows")
        try:
            columns = columns_of(rows)
            "".join(columns).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{source}: contains half a character, such as \\ud800: {error}") from error
    return results_table(source, columns, place)


def _lines(source: str, text: str) -> tuple[list[Mapping[str, Any]], Callable[[int], str]]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line and not line.isspace()]
    try:  # all at once, in half of the time
        values = DECODER.decode(f"[{','.join(line for _, line in lines)}]")
    except (ValueError, RecursionError):
        values = []
    if len(values) != len(lines):  # the line of the error is wanted
        values = [_parsed(line, f"{source}: line {number}") for number, line in lines]
    rows = [_row(value, source, "line", number) for (number, _), value in zip(lines, values, strict=True)]
    numbers = [number for number, _ in lines]
    return rows, lambda position: f"line {numbers[position]}"


def _array(source: str, text: str) -> tuple[list[Mapping[str, Any]], Callable[[int], str]]:
    rows = [_row(value, source, "row", number) for number, value in enumerate(_parsed(text, source), 1)]
    return rows, lambda position: f"row {position + 1}"


def _row(value: Any, source: str, unit: str, number: int) -> Mapping[str, Any]:
    if type(value) is dict and NESTED.isdisjoint(map(type, value.values())):
        return value
    where = f"{source}: {unit} {number}"
    if not isinstance(value, Mapping):
        advice = 'each row must be one, such as {"seed": 0, "accuracy": 0.93}'
        raise InputError(f"{where}: {show(value)} is not an object; {advice}")
    row: dict[str, Any] = {}
    for name, inner in flat(value):
        if name in row:
            raise InputError(f"{where}: {show(name)} occurs twice, as a name with a dot and as an object; rename one")
        row[name] = inner
    return row


def _parsed(text: str, where: str) -> Any:
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise InputError(
            f"{where}: invalid JSON: {error.msg} ({at}); expected one object per line, or an array of objects"
        ) from error
    except RecursionError as error:
        raise InputError(f"{where}: objects are nested too deeply") from error
    except ValueError as error:  # a name that occurs twice, a number of thousands of digits
        raise InputError(f"{where}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{show(next(name for name in names if names.count(name) > 1))} occurs twice in one object")
    return value


DECODER = json.JSONDecoder(object_pairs_hook=_object)
