"""The cells of a column, as texts or as values of Python -> an array of numbers, or of strings as written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT = 1 << 53  # the integers up to this are exact as floats
HEAD = 1000  # cells that are tried first: Arrow takes 1 us for each cell that is not a number
MISSING = ("NA", "N/A", "#N/A", "null", "NULL")  # instead of a number: an empty cell, as R and spreadsheets write it


@dataclass(frozen=True)
class Column:
    """`values`: int64, uint64 or float64 (empty: NaN), or objects: strings (empty: None)."""

    values: NDArray[Any]
    empty: NDArray[np.bool_]
    words: tuple[str, ...] = ()  # which of MISSING the column has, if it is numeric; they count as empty


def from_values(values: Sequence[Any]) -> Column:
    """Values are int, float, bool, str or None."""
    import numpy as np
    import pyarrow as pa

    kinds = {type(value) for value in values}
    if kinds <= {int, float, type(None)} and float in kinds and not _inexact(values):
        empty = np.array([value is None for value in values])
        return Column(np.array([np.nan if value is None else value for value in values], dtype=np.float64), empty)
    return from_texts(pa.array([_text(value) for value in values], pa.string()))


def from_texts(cells: Any) -> Column:
    """`cells` is an Arrow array of strings; null and empty ones are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    if cells.null_count == len(cells):
        return _strings(cells)
    numbers = _numbers(cells)
    if numbers is not None:
        return _column(cells, numbers)
    words = pc.is_in(cells, value_set=pa.array(MISSING))
    if pc.any(words).as_py():
        rest = pc.if_else(words, pa.scalar(None, pa.string()), cells)
        numbers = _numbers(rest) if rest.null_count < len(rest) else None
        if numbers is not None:
            found = tuple(sorted(pc.unique(cells.filter(words)).to_pylist()))
            column = _column(rest, numbers)
            return Column(column.values, column.empty, found) if column.values.dtype != object else _strings(cells)
    return _strings(cells)


def has_commas(cells: Any) -> bool:
    """Whether all cells of the Arrow array are numbers, and some have a decimal comma or a separator of thousands."""
    import pyarrow.compute as pc

    cells = cells.drop_null()
    number = pc.match_substring_regex(cells, r"^([+-]?\d+(,\d+)?([eE][+-]?\d+)?|[+-]?(?i:nan|inf(inity)?)|)$")
    return bool(pc.all(number).as_py() and pc.any(pc.match_substring(cells, ",")).as_py())


def may_be_thousands(cells: Any) -> bool:
    """Whether each comma in an Arrow array of such numbers is where a separator of thousands would be."""
    import pyarrow.compute as pc

    with_comma = cells.filter(pc.match_substring(cells, ","))
    return bool(pc.all(pc.match_substring_regex(with_comma, r"^[+-]?[1-9]\d{0,2},\d{3}$")).as_py())


def _numbers(cells: Any) -> Any:
    """As int64, uint64 or float64; None: some are not numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(cells, "x", ignore_case=True)).as_py():  # Arrow takes 0x1f for a number
        return None
    for kind in (pa.int64(), pa.uint64(), pa.float64()):
        try:
            cells[:HEAD].cast(kind)
            return cells.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _column(cells: Any, numbers: Any) -> Column:
    """Numbers, unless they would merge what is written differently (01 and 1) or lose digits (integers beyond 2^53)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    integers = pa.types.is_integer(numbers.type)
    padded = pc.any(pc.match_substring_regex(cells, r"^[+-]?0\d+$")).as_py()
    if padded and pc.count_distinct(cells).as_py() != pc.count_distinct(numbers).as_py():
        return _strings(cells)
    empty = np.asarray(cells.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    if integers and not empty.any():
        return Column(np.array(numbers.to_numpy(zero_copy_only=False)), empty)
    long = cells.filter(pc.match_substring_regex(cells, r"^[+-]?\d{16,}$"))
    if len(long) and _inexact([int(text) for text in long.to_pylist() if text]):
        return _strings(cells)
    floats = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    return Column(floats, empty)


def _strings(cells: Any) -> Column:
    import numpy as np

    empty = np.asarray(cells.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    return Column(np.asarray(cells.to_numpy(zero_copy_only=False), dtype=object), empty)


def _inexact(values: Sequence[Any]) -> bool:
    return any(type(value) is int and abs(value) > EXACT and not _is_exact(value) for value in values)


def _is_exact(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
