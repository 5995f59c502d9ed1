"""The rows of a table that count, with checks that name row and column of what is wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.existing.columns import Columns
from harness.existing.results_table import ResultsTable

if TYPE_CHECKING:
    import pandas as pd

LARGEST_SEED = 2**63 - 1
TRUTHS = {"True": 1.0, "true": 1.0, "TRUE": 1.0, "False": 0.0, "false": 0.0, "FALSE": 0.0}

MEAN = re.compile(r"\s*[-+]?[\d.]+\s*%?\s*(?:±|\+/?-|\\pm|\(\s*[\d.])")  # 93.1 ± 0.2, 93.1 (0.2)
MOST_VALUES = 50  # a column with more does not tell kinds of runs apart


class CheckedRows:
    """The rows that count. `columns` and `given` change when a wide table is made long."""

    def __init__(self, given: ResultsTable, frame: pd.DataFrame, columns: Columns) -> None:
        self.given, self.frame, self.columns = given, frame, columns
        self.notes: list[str] = []

    def at(self, row: Any, column: str | None = None) -> str:
        """`results.csv, line 18, column seed`."""
        where = f"{self.given.source}, {self.given.place(int(row))}"
        return f"{where}, column {column}" if column else where

    def empty(self, name: str) -> pd.Series:
        """By row, whether the cell is empty; NaN in another cell is the value of a run that diverged."""
        import numpy as np
        import pandas as pd

        if self.frame[name].dtype == object:
            return self.frame[name].isna()
        known = self.given.empty.get(name)
        cells = np.zeros(len(self.frame), bool) if known is None else known[self.frame.index.to_numpy()]
        return pd.Series(cells, index=self.frame.index)

    def without_missing(self, name: str) -> None:
        """Leave out the rows without a value, and say so."""
        missing = self.empty(name)
        if missing.all():
            raise InputError(f"{self.given.source}, column {name}: has no values; choose another column")
        if missing.any():
            rows = self.frame.index[missing]
            self.notes.append(f"{counted(rows, self.given)} left out: no {name}")
            self.frame = self.frame[~missing]

    def numbers(self, name: str) -> None:
        """Refuse a column with text; true and false are 1 and 0."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        values = self.frame[name]
        truths = None if is_numeric_dtype(values.dtype) else values.map(TRUTHS, na_action="ignore")
        if is_bool_dtype(values.dtype):
            self.frame = self.frame.assign(**{name: values.astype(float)})
        elif truths is not None and (truths.notna() == values.notna()).all():
            self.frame = self.frame.assign(**{name: truths.astype(float)})
            self.given = replace(self.given, empty={**self.given.empty, name: self.given.frame[name].isna().to_numpy()})
        elif not is_numeric_dtype(values.dtype):
            wrong = next(((row, value) for row, value in values.items() if value is not None and not _is_number(value)), None)
            if wrong is None:  # numbers that were left as text, such as 007
                self.given = replace(self.given, empty={**self.given.empty, name: self.given.frame[name].isna().to_numpy()})
                self.frame = self.frame.assign(**{name: values.astype(float)})
                return
            row, value = wrong
            advice = "correct it, or leave the cell empty if there is no result"
            if MEAN.match(str(value)):
                advice = "a mean with its spread does not say what each seed gave; give a row per run"
            raise InputError(f"{self.at(row, name)}: {str(value)[:40]!r} is not a number; {advice}")

    def whole_numbers(self, name: str) -> None:
        """Refuse a column of seeds that are not whole numbers."""
        import numpy as np

        self.without_missing(name)
        values = self.frame[name]
        if values.dtype.kind not in "iu":
            for row, value in values.items():
                if not _is_whole(value):
                    advice = "seeds are; if equal seeds of two variants have nothing in common, use --unpaired without --seed"
                    raise InputError(f"{self.at(row, name)}: {str(value)[:40]!r} is not a whole number; {advice}")
            self.frame = self.frame.assign(**{name: values.map(int).astype(np.int64)})


def refuse_repeated(table: CheckedRows, rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raises InputError that names both places if two rows have the same values of `keys`."""
    again = rows.duplicated(list(keys))
    if not again.any():
        return
    row = rows.index[again][0]
    same = (rows[list(keys)] == rows.loc[row, list(keys)]).all(axis=1)
    first = rows.index[same][0]
    what = ", ".join(f"{key} {rows.loc[row, key]}" for key in keys)
    advice = _how_to_tell_apart(table, first, row)
    raise InputError(f"{table.at(row)}: {what} again, first in {table.given.place(int(first))}; {advice}")


def _how_to_tell_apart(table: CheckedRows, first: Any, second: Any) -> str:
    """What to do about two rows of one variant and seed."""
    columns, frame = table.columns, table.frame
    if columns.seed is not None and columns.case is None and columns.step is None and frame[columns.seed].nunique() == 1:
        return f"all rows have the {columns.seed} {int(frame[columns.seed].iloc[0])}; if each is a run of its own, use --unpaired"
    roles = {columns.seed, columns.step, columns.case, columns.group, *columns.variants, *columns.metrics.values()}
    pair = frame.loc[[first, second]]
    counts = {name: int(frame[name].nunique()) for name in map(str, frame) if name not in roles and pair[name].nunique() == 2}
    name = next((name for name, count in counts.items() if count <= min(MOST_VALUES, len(frame) / 2)), None)
    if name is not None and not columns.wide:
        one = shlex.quote("=".join((name, str(pair[name].tolist()[0]))))
        (variant, *factors) = columns.variants
        named = ("--factor" if columns.factors and not factors else "--variant", variant)
        both = shlex.join([*named, *(word for each in (*factors, name) for word in ("--factor", each))])
        return f"they differ in {name}: choose one, as --where {one}, or compare all: {both}"
    step = "" if columns.step else "; if a run has a row per epoch, give --step COLUMN"
    return f"remove one, or choose rows with --where COLUMN=VALUE{step}"


def run_ids(rows: pd.Index, given: ResultsTable) -> list[str]:
    """A different id for each of these rows: its place, as `line-18`."""
    ids = [given.place(row).replace(", ", "-").replace(" ", "-") for row in rows.tolist()]
    again = len(set(ids)) < len(ids)  # labels may differ by a blank only
    return [f"{name}-{row}" for name, row in zip(ids, rows, strict=True)] if again else ids


def counted(rows: pd.Index, given: ResultsTable) -> str:
    """`line 7 was`, `3 rows (line 7, line 9, …) were`."""
    if len(rows) == 1:
        return f"{given.place(int(rows[0]))} was"
    places = [given.place(int(row)) for row in rows[:3]] + (["…"] if len(rows) > 3 else [])
    shown = ("; " if any("," in place for place in places) else ", ").join(places)
    return f"{len(rows):,d} rows ({shown}) were"


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _is_whole(value: Any) -> bool:
    """Whether it is a whole number of 64 bits."""
    try:
        return (
            int(value) == value and abs(int(value)) <= LARGEST_SEED
            if not isinstance(value, str)
            else bool(int(value) >= -LARGEST_SEED)
        )
    except (ValueError, OverflowError, TypeError):
        return False
