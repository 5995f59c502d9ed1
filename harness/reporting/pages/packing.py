"""Data of live learning curves -> compressed text for a page; `templates/unpack.js` is the inverse.

Numbers are written as differences of whole numbers, all lines of a metric together, which compresses to two thirds of their JSON.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

KEYS = ("y", "low", "high")  # of a line: metric -> values
EXACT = 2**53  # whole numbers up to here are exact in JavaScript
MOST_DECIMALS = 15


def packed(data: Mapping[str, Any]) -> str:
    """`data` (`curve_data`) as JSON, raw deflate, base64.

    In place of KEYS of lines and means, `columns` holds kind of line -> key -> metric -> a column for each line.
    """
    columns = {
        kind: {key: {name: [_column(line, key, name) for line in data[kind]] for name in data["metrics"]} for key in KEYS}
        for kind in ("lines", "means")
    }
    rest = {
        kind: [
            {key: column(value) if key == "x" else value for key, value in line.items() if key not in KEYS} for line in data[kind]
        ]
        for kind in ("lines", "means")
    }
    text = json.dumps({**data, **rest, "columns": columns}, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(squeezed.compress(text.encode()) + squeezed.flush()).decode()


def column(values: Sequence[float | None]) -> list[float | None] | dict[str, Any]:
    """The values as they are, or {d: decimals, v: first and differences in units of the last decimal} if these are exact."""
    if not values or None in values:
        return list(values)
    numbers = [value for value in values if value is not None]
    decimals = max(0, *map(_decimals, numbers))
    if decimals > MOST_DECIMALS or max(map(abs, numbers)) * 10**decimals >= EXACT:
        return list(values)
    whole = [round(value * 10**decimals) for value in numbers]
    return {"d": decimals, "v": [whole[0], *(after - before for before, after in pairwise(whole))]}


def _decimals(value: float) -> int:
    """How many digits of the shortest text of the value are after the point."""
    digits, _, power = repr(value).partition("e")
    return len(digits.partition(".")[2]) - int(power or 0)


def _column(line: Mapping[str, Any], key: str, metric: str) -> list[float | None] | dict[str, Any] | None:
    found = line.get(key, {}).get(metric)
    return None if found is None else column(found)
