"""A table of existing results -> one row per variant and seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.existing.arranged import Arranged
from harness.existing.by_case import arrange_cases
from harness.existing.checks import CheckedRows, counted, refuse_repeated, run_ids
from harness.existing.columns import Columns
from harness.existing.design import Design, read_design
from harness.existing.results_table import ResultsTable
from harness.existing.rows import diverged

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"  # column: the position of a row in the table
VALUE, EMPTY = "value of a wide table", "whether its cell is empty"


def arrange(given: ResultsTable, frame: pd.DataFrame, columns: Columns, notes: Sequence[str] = ()) -> Arranged:
    """One row per variant and seed. `frame`: the rows of `given` that count, under their positions. Raises InputError."""
    table = CheckedRows(given, frame, columns)
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
    design = read_design(table.frame, variants, columns.factors)
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
        table.notes += _ends(rows)
        names = rows.set_index(["variant", "seed"])["id"]
        curves = curves.join(names, on=["variant", "seed"], how="inner").assign(state="completed")
    return Arranged(rows, design.labels, design.factors, design.levels, curves, notes=tuple(table.notes))


def _ends(rows: pd.DataFrame) -> list[str]:
    """A note if runs end at different steps: one may have stopped early."""
    ordered = rows.sort_values("epoch", kind="stable")
    steps, variants, seeds = (ordered[name].tolist() for name in ("epoch", "variant", "seed"))
    if steps[0] == steps[-1]:
        return []
    first, last = (f"{steps[row]:g} (variant {variants[row]}, seed {seeds[row]})" for row in (0, -1))
    count = int((ordered["epoch"] < steps[-1]).sum())
    return [
        f"runs end at different steps, from {first} to {last}: {count:,d} of {len(rows):,d} early; the last row of each counts"
    ]


def _melt(table: CheckedRows) -> None:
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
    table.given = ResultsTable(
        table.given.source, frame, lambda row: f"{place(int(places[row]))}, {labels[row]}", empty={VALUE: empty}
    )
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


def _rows(table: CheckedRows, design: Design) -> pd.DataFrame:
    """[variant, seed, metrics] under the positions of the rows."""
    import pandas as pd

    frame, columns = table.frame, table.columns
    variant = design.by_row
    seed = frame[columns.seed] if columns.seed else variant.groupby(variant).cumcount()
    if columns.case is not None and columns.seed is None:
        seed = pd.Series(0, index=frame.index)
    metrics = {name: frame[column].astype(float) for name, column in columns.metrics.items()}
    return pd.DataFrame({"variant": variant, "seed": seed, **metrics})


def _measured(table: CheckedRows, rows: pd.DataFrame) -> pd.DataFrame:
    """[id, variant, seed, state, metrics]: rows without any value are left out, those with one that is not finite diverged."""
    import numpy as np
    import pandas as pd

    names = list(table.columns.metrics)
    empty = pd.concat([table.empty(column) for column in table.columns.metrics.values()], axis=1).loc[rows.index].all(axis=1)
    if empty.any():
        lost = rows.index[empty]
        table.notes.append(f"{counted(lost, table.given)} left out: no value of {' or '.join(names)}")
        rows = rows[~empty]
    if rows.empty:
        raise InputError(f"{table.given.source}: no row has a value of {' or '.join(names)}; choose another column with --metric")
    cells = pd.concat([table.empty(column) for column in table.columns.metrics.values()], axis=1).loc[rows.index].to_numpy()
    not_finite = (~np.isfinite(rows[names].to_numpy()) & ~cells).any(axis=1)
    states = np.where(not_finite | diverged(table.frame.loc[rows.index]).to_numpy(), "diverged", "completed")
    return rows.assign(id=run_ids(rows.index, table.given), state=states).reset_index(drop=True)
