"""A table of existing results -> one row per variant and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.existing.columns import Columns
from harness.existing.given import Given
from harness.experiment.claims.reader import level_label
from harness.experiment.designs import short_names

if TYPE_CHECKING:
    import pandas as pd

    from harness.store.cases import CaseSource

LARGEST_SEED = 2**63 - 1
ROW = "row"  # column: the position of a row in the table


@dataclass(frozen=True)
class Arranged:
    """Existing results by variant and seed, with their design."""

    runs: pd.DataFrame  # a row per run: id (its place), variant, seed, state, a column per metric
    labels: tuple[str, ...]  # in the order of the table, numbers by value
    factors: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)  # as in plans
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # label -> factor -> level's label
    curves: pd.DataFrame | None = None  # a row per run and step: id, variant, seed, state, epoch, a column per metric
    cases: CaseSource | None = None
    notes: tuple[str, ...] = ()  # what was left out


class Table:
    """The rows of a table with names for what is wrong in them."""

    def __init__(self, given: Given, frame: pd.DataFrame, columns: Columns) -> None:
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
            self.notes.append(f"{_counted(rows, self.given)} left out: no {name}")
            self.frame = self.frame[~missing]

    def numbers(self, name: str) -> None:
        """Refuse a column with text."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        values = self.frame[name]
        if is_bool_dtype(values.dtype):
            self.frame = self.frame.assign(**{name: values.astype(float)})
        elif not is_numeric_dtype(values.dtype):
            row, value = next((row, value) for row, value in values.items() if value is not None and not _is_number(value))
            advice = "correct it, or leave the cell empty if there is no result"
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


def _counted(rows: pd.Index, given: Given) -> str:
    """`line 7 was`, `3 rows (line 7, line 9, …) were`."""
    if len(rows) == 1:
        return f"{given.place(int(rows[0]))} was"
    shown = ", ".join(given.place(int(row)) for row in rows[:3])
    return f"{len(rows):,d} rows ({shown}{', …' if len(rows) > 3 else ''}) were"


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


def arrange(given: Given, frame: pd.DataFrame, columns: Columns, notes: Sequence[str] = ()) -> Arranged:
    """One row per variant and seed. `frame`: the rows of `given` that count, under their positions. Raises InputError."""
    from harness.existing.by_case import arrange_cases

    table = Table(given, frame, columns)
    table.notes += [*given.notes, *notes]
    if columns.wide:
        _melt(table)
    variants = table.columns.variants
    for name in variants:
        table.without_missing(name)
    if table.columns.seed is not None:
        table.whole_numbers(table.columns.seed)
    for name in table.columns.metrics.values():
        table.numbers(name)
    design = _design(table.frame, variants, columns.factors)
    rows = _rows(table, design)
    if columns.case is not None:
        return arrange_cases(table, rows, design)
    curves = None
    if columns.step is not None:
        table.without_missing(columns.step)
        table.numbers(columns.step)
        rows = rows.loc[table.frame.index].assign(epoch=table.frame[columns.step])
        rows = rows.sort_values("epoch", kind="stable")
        curves, rows = rows, rows.drop_duplicates(["variant", "seed"], keep="last").sort_index()
        refuse_repeated(table, curves, ("variant", "seed", "epoch"))
    else:
        refuse_repeated(table, rows, ("variant", "seed"))
    rows = _measured(table, rows)
    if curves is not None:
        names = rows.set_index(["variant", "seed"])["id"]
        curves = curves.join(names, on=["variant", "seed"], how="inner").assign(state="completed")
    return Arranged(rows, design.labels, design.factors, design.levels, curves, notes=tuple(table.notes))


def _melt(table: Table) -> None:
    """A column per variant -> a row per value."""
    import pandas as pd

    columns = table.columns
    (name,) = columns.metrics
    for each in columns.wide:
        table.numbers(each)
    kept = [each for each in (columns.seed, columns.case, columns.group, columns.step) if each is not None]
    one = table.frame[kept].assign(**{ROW: table.frame.index})
    parts = [one.assign(variant=each, **{VALUE: table.frame[each], EMPTY: table.empty(each)}) for each in columns.wide]
    frame = pd.concat(parts, ignore_index=True)
    places, labels, empty = (frame[name].to_numpy() for name in (ROW, "variant", EMPTY))
    place = table.given.place
    table.given = Given(table.given.source, frame, lambda row: f"{place(int(places[row]))}, {labels[row]}", empty={VALUE: empty})
    table.frame = frame
    table.columns = Columns(
        variants=("variant",),
        factors=False,
        seed=columns.seed,
        metrics={name: VALUE},
        step=columns.step,
        case=columns.case,
        group=columns.group,
        kinds=columns.kinds,
        guessed=columns.guessed,
    )


VALUE, EMPTY = "value of a wide table", "whether its cell is empty"


@dataclass(frozen=True)
class Design:
    labels: tuple[str, ...]
    by_row: pd.Series  # position of a row -> label
    factors: Mapping[str, Mapping[str, float | None]]
    levels: Mapping[str, Mapping[str, str]]


def _design(frame: pd.DataFrame, variants: Sequence[str], factors: bool) -> Design:
    """Labels of variants, as in experiments: the text of the one column, or `lr=0.1, width=64`."""
    texts = {name: frame[name].map({value: level_label(_plain(value)) for value in frame[name].unique()}) for name in variants}
    if not factors:
        ((name, by_row),) = texts.items()
        labels = tuple(map(str, by_row.unique()))
        return Design(labels, by_row, {}, {label: {} for label in labels})
    names = dict(zip(variants, short_names(variants), strict=True))
    levels_of: dict[str, dict[str, float | None]] = {}
    for name in variants:
        found = {level_label(_plain(value)): _number(_plain(value)) for value in frame[name].unique()}
        if all(number is not None for number in found.values()):
            found = dict(sorted(found.items(), key=lambda item: item[1] or 0.0))
        levels_of[names[name]] = found
    # One text per combination, not per row.
    codes = frame[list(variants)].assign(**texts).drop_duplicates()
    label_of = {
        tuple(row): ", ".join(f"{names[name]}={level}" for name, level in zip(variants, row, strict=True))
        for row in codes.itertuples(index=False, name=None)
    }
    order = {name: {level: place for place, level in enumerate(levels_of[names[name]])} for name in variants}
    rows = sorted(label_of, key=lambda row: [order[name][level] for name, level in zip(variants, row, strict=True)])
    grouped = frame.assign(**texts).groupby(list(variants), sort=False, observed=True).ngroup()
    first = dict(zip(grouped.drop_duplicates(), codes.itertuples(index=False, name=None), strict=True))
    by_row = grouped.map({number: label_of[row] for number, row in first.items()})
    levels = {label_of[row]: dict(zip((names[name] for name in variants), row, strict=True)) for row in rows}
    return Design(tuple(levels), by_row, levels_of, levels)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rows(table: Table, design: Design) -> pd.DataFrame:
    """[variant, seed, metrics] under the positions of the rows."""
    import pandas as pd

    frame, columns = table.frame, table.columns
    variant = design.by_row
    seed = frame[columns.seed] if columns.seed else variant.groupby(variant).cumcount()
    if columns.case is not None and columns.seed is None:
        seed = pd.Series(0, index=frame.index)
    metrics = {name: frame[column].astype(float) for name, column in columns.metrics.items()}
    return pd.DataFrame({"variant": variant, "seed": seed, **metrics})


def refuse_repeated(table: Table, rows: pd.DataFrame, keys: Sequence[str]) -> None:
    again = rows.duplicated(list(keys))
    if not again.any():
        return
    row = rows.index[again][0]
    same = (rows[list(keys)] == rows.loc[row, list(keys)]).all(axis=1)
    first = rows.index[same][0]
    what = ", ".join(f"{key} {rows.loc[row, key]}" for key in keys)
    step = "" if table.columns.step else "; if a run has a row per epoch, give --step COLUMN"
    advice = f"remove one, or choose rows with --where COLUMN=VALUE{step}"
    raise InputError(f"{table.at(row)}: {what} again, first in {table.given.place(int(first))}; {advice}")


def _measured(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """[id, variant, seed, state, metrics]: rows without any value are left out, those with one that is not finite diverged."""
    import numpy as np
    import pandas as pd

    names = list(table.columns.metrics)
    empty = pd.concat([table.empty(column) for column in table.columns.metrics.values()], axis=1).loc[rows.index].all(axis=1)
    if empty.any():
        lost = rows.index[empty]
        table.notes.append(f"{_counted(lost, table.given)} left out: no value of {' or '.join(names)}")
        rows = rows[~empty]
    if rows.empty:
        raise InputError(f"{table.given.source}: no row has a value of {' or '.join(names)}; choose another column with --metric")
    cells = pd.concat([table.empty(column) for column in table.columns.metrics.values()], axis=1).loc[rows.index].to_numpy()
    states = np.where((~np.isfinite(rows[names].to_numpy()) & ~cells).any(axis=1), "diverged", "completed")
    ids = [table.given.place(int(row)).replace(", ", "-").replace(" ", "-") for row in rows.index]
    return rows.assign(id=ids, state=states).reset_index(drop=True)
