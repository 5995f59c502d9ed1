"""Store -> tidy data frames.

`load_runs`    one row per run: id, [variant, seed, look with a plan's name], task, state, reason, [ended with a plan's name,]
               every metric of its result
`load_curves`  one row per run and epoch: id, [variant with a plan's name,] seed, state, epoch, the rest of metrics.jsonl
Missing values are NaN; the "nan" and "inf" of the files are numbers here. pandas is imported when a frame is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.atomic import read_json
from harness.store.frame_cache import METRIC, RunTables, load_tables, table
from harness.store.lookup import stored_plan
from harness.store.paths import RUN_ID
from harness.store.records import Record, Store

if TYPE_CHECKING:
    import pandas as pd

STRINGS = ("id", "variant", "task", "state", "reason", "ended")  # columns of strings


def load_runs(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row per run of the plan `name`, in its order; without a name every run on disk, sorted by id.

    Raises InputError for an unknown plan, StoreError for unreadable files.
    """
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return runs_frame(plan, store.records([run.id for run in plan.runs]))
    runs = _all_runs(store).runs
    own = ["id", "seed", "task", "state", "reason"]
    metrics = {column.removeprefix(METRIC): runs[column] for column in runs.column_names if column.startswith(METRIC)}
    return _numbered({**metrics, **{column: runs[column] for column in own}}, own)


def load_curves(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row per run and epoch of the plan `name`; without a name of every run on disk. Raises like `load_runs`."""
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return curves_frame(store, plan, store.records([run.id for run in plan.runs]))
    tables = _all_runs(store)
    return _epochs_frame(tables, {name: tables.column(name) for name in ("id", "seed", "state")})


def runs_frame(plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row per planned run; see the docstring of the module."""
    import pyarrow as pa

    found = [records[run.id] for run in plan.runs]
    numbers = table([record.metrics for record in found], [])
    own: dict[str, Sequence[Any]] = {
        "id": [run.id for run in plan.runs],
        "variant": [run.variant for run in plan.runs],
        "seed": [run.seed for run in plan.runs],
        "look": [run.look for run in plan.runs],
        "task": [plan.task] * len(found),
        "state": [record.state for record in found],
        "reason": [record.reason for record in found],
        "ended": [record.ended_at for record in found],
    }
    # The fields of the plan come last: a result may hold a number called `seed`.
    columns = {name: numbers[name] for name in numbers.column_names} | {name: pa.array(values) for name, values in own.items()}
    return _numbered(columns, [*own])


def curves_frame(
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    metrics: Iterable[str] | None = None,
    tables: RunTables | None = None,
) -> pd.DataFrame:
    """One row per planned run and trained epoch; see the docstring of the module. `metrics`: only these.

    `tables`: those of the plan's runs, in its order, if they are loaded already.
    """
    run_ids = [run.id for run in plan.runs]
    columns: dict[str, Sequence[Any]] = {
        "id": run_ids,
        "variant": [run.variant for run in plan.runs],
        "seed": [run.seed for run in plan.runs],
        "state": [records[run.id].state for run in plan.runs],
    }
    return _epochs_frame(tables or load_tables(store, run_ids), columns, metrics)


def _all_runs(store: Store) -> RunTables:
    """Every run on disk, by id; foreign folders, and runs that have no spec.json yet, are passed over."""
    names = sorted(atomic.names(store.paths.runs))
    tables = load_tables(store, [name for name in names if RUN_ID.fullmatch(name)])
    unspecified = [run_id for run_id, task in zip(tables.column("id"), tables.column("task"), strict=True) if task is None]
    for run_id in unspecified:
        if atomic.is_file(spec := store.paths.run(run_id).spec):
            read_json(spec, Spec)  # raises StoreError
    return tables.take([place for place, task in enumerate(tables.column("task")) if task is not None]) if unspecified else tables


def _epochs_frame(tables: RunTables, columns: Mapping[str, Sequence[Any]], metrics: Iterable[str] | None = None) -> pd.DataFrame:
    """The epochs of `tables` with `columns` (one value per run). `metrics`: only these."""
    import numpy as np
    import pyarrow as pa

    run_of_row = pa.array(np.repeat(np.arange(tables.runs.num_rows), tables.runs["rows"].to_numpy()))
    wanted = set(tables.epochs.column_names if metrics is None else ["epoch", *metrics])
    epochs = {name: tables.epochs[name] for name in tables.epochs.column_names if name in wanted}
    return _numbered(
        {**epochs, **{name: pa.array(values).take(run_of_row) for name, values in columns.items()}}, [*columns, "epoch"]
    )


def _numbered(columns: Mapping[str, Any], first: Sequence[str]) -> pd.DataFrame:
    """Arrow columns -> frame that starts with the columns `first`; NaN where not measured."""
    import pyarrow as pa

    ordered = {**{name: columns[name] for name in first}, **columns}
    # A column without values has no type yet.
    for name, column in ordered.items():
        if column.type == pa.null():
            ordered[name] = column.cast(pa.string() if name in STRINGS else pa.float64())
    frame: pd.DataFrame = pa.table(ordered).to_pandas()
    return frame
