"""JSON lines, or an array of objects -> Given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.given import Given
from harness.existing.table import columns_of, flat, given


def read_json(source: str, text: str) -> Given:
    """Nested objects become columns such as `config.lr`. Raises InputError."""
    rows, place = _array(source, text) if text.lstrip().startswith("[") else _lines(source, text)
    if not rows:
        raise InputError(f"{source}: it has no rows")
    try:
        columns = columns_of(rows)
        "".join(columns).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{source}: it contains a half of a character, such as \\ud800: {error}") from error
    return given(source, columns, place)


def _lines(source: str, text: str) -> tuple[list[Mapping[str, Any]], Callable[[int], str]]:
    rows, numbers = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.isspace():
            rows.append(_row(_parsed(line, f"{source}: line {number}"), f"{source}: line {number}"))
            numbers.append(number)
    return rows, lambda position: f"line {numbers[position]}"


def _array(source: str, text: str) -> tuple[list[Mapping[str, Any]], Callable[[int], str]]:
    values: Sequence[Any] = _parsed(text, source)
    return [
        _row(value, f"{source}: row {number}") for number, value in enumerate(values, 1)
    ], lambda position: f"row {position + 1}"


def _row(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(
            f'{where}: {show(value)} is not an object; each row must be one, such as {{"seed": 0, "accuracy": 0.93}}'
        )
    if not any(isinstance(inner, list | Mapping) for inner in value.values()):
        return value
    row: dict[str, Any] = {}
    for name, inner in flat(value):
        if name in row:
            raise InputError(f"{where}: {show(name)} occurs twice, as a name with a dot and as an object; rename one")
        row[name] = inner
    return row


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
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
