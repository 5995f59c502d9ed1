"""A Parquet file -> ResultsTable."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.column import Column, from_texts, from_values
from harness.existing.results_table import ResultsTable
from harness.existing.table import results_table

INDEX = re.compile(r"__index_level_\d+__")  # pandas' index, if it has no name


def read_parquet(source: str, data: bytes) -> ResultsTable:
    """Structures become columns such as `config.lr`, lists JSON. Raises InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        while any(pa.types.is_struct(kind) for kind in table.schema.types):
            table = table.flatten()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from error
    if not table.num_rows:
        raise InputError(f"{source}: has no rows")
    names = [name for name in table.column_names if not INDEX.fullmatch(name)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{source}: several columns are named {show(name)}; rename all but one")
    if not names:
        raise InputError(f"{source}: has no columns")
    return results_table(source, {name: _column(table[name]) for name in names}, lambda position: f"row {position + 1}")


def _column(cells: Any) -> Column:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    cells = cells.combine_chunks()
    kind = cells.type
    if pa.types.is_floating(kind):
        empty = np.asarray(cells.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
        return Column(np.array(cells.cast(pa.float64()).to_numpy(zero_copy_only=False)), empty)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return from_texts(cells.cast(pa.string()))
    if pa.types.is_boolean(kind):
        return from_texts(pc.if_else(cells, "true", "false"))
    if pa.types.is_nested(kind):
        return from_values([None if cell is None else json.dumps(cell, default=str) for cell in cells.to_pylist()])
    return from_values([None if cell is None else str(cell) for cell in cells.to_pylist()])
