"""Store -> tidy frames.

`load_runs`    one row a run: id, [variant, seed, look with a plan's name], task, state, reason, every metric of its result
`load_curves`  one row a run and epoch: id, [variant with a plan's name,] seed, state of the run, epoch, the rest of metrics.jsonl
Missing values are NaN; the "nan" and "inf" of the files are numbers here. pandas is imported when a frame is made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.store.atomic import read_json
from harness.store.frame_cache import METRIC, Shelf, look, table
from harness.store.paths import RUN_ID
from harness.store.records import Record, Store

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("id", "variant", "task", "state", "reason")  # columns that hold no numbers


def load_runs(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row a run of the plan `name`, in the plan's order; without a name every run on disk, by id.

    Raises InputError for a plan that is not there, StoreError for files that cannot be read.
    """
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return runs_frame(plan, store.records([run.id for run in plan.runs]))
    runs = _shelf(store).runs
    own = ["id", "seed", "task", "state", "reason"]
    metrics = {column.removeprefix(METRIC): runs[column] for column in runs.column_names if column.startswith(METRIC)}
    return _numbered({**metrics, **{column: runs[column] for column in own}}, own)


def load_curves(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row a run and epoch of the plan `name`; without a name of every run on disk. Raises as `load_runs`."""
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return curves_frame(store, plan, store.records([run.id for run in plan.runs]))
    shelf = _shelf(store)
    return _epochs_frame(shelf, {name: shelf.column(name) for name in ("id", "seed", "state")})


def runs_frame(plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a planned run; see the module's first lines."""
    # What is planned comes last: a result may hold a number called `seed`.
    rows = [
        {**_outcome(records[run.id]), "id": run.id, "variant": run.variant, "seed": run.seed, "look": run.look, "task": plan.task}
        for run in plan.runs
    ]
    return _frame(rows, ["id", "variant", "seed", "look", "task", "state", "reason"])


def curves_frame(store: Store, plan: Plan, records: Mapping[str, Record], metrics: Iterable[str] | None = None) -> pd.DataFrame:
    """One row a planned run and epoch trained so far; see the module's first lines. `metrics`: only these numbers."""
    run_ids = [run.id for run in plan.runs]
    columns: dict[str, Sequence[Any]] = {
        "id": run_ids,
        "variant": [run.variant for run in plan.runs],
        "seed": [run.seed for run in plan.runs],
        "state": [records[run.id].state for run in plan.runs],
    }
    return _epochs_frame(look(store, run_ids), columns, metrics)


def stored_plan(store: Store, name: str) -> Plan:
    """The plan `name` is for: a plan's name, or its experiment's path. Raises InputError, naming the choices."""
    known = store.plan_names()
    wanted = plan_name(name)
    plan = store.load_plan(wanted) if wanted in known else None
    if plan is not None:
        return plan
    if not known:
        raise InputError(
            f"no plan {wanted!r}: {store.paths.plans} holds none yet; make one with: harness run experiments/{wanted}.yaml"
        )
    # A person who names the experiment alone most often means one of its profiles.
    near = [other for other in known if other.startswith(f"{wanted}@") or other.startswith(f"{wanted}+")]
    near = near or difflib.get_close_matches(wanted, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"allowed: {', '.join(sorted(known)[:20])}"
    raise InputError(f"no plan {wanted!r} in {store.paths.plans}; {hint}")


def plan_name(argument: str) -> str:
    """What a person typed -> a plan's name: `experiments/x.yaml` and `experiments/x.yaml@smoke` are `x` and `x@smoke`."""
    path, at, profile = argument.partition("@")
    if path.endswith((".yaml", ".yml")):
        path = Path(path).stem
    return f"{path}{at}{profile}"


def _shelf(store: Store) -> Shelf:
    """Every run on disk, by id; foreign folders, and runs that have no spec.json yet, are passed over."""
    names = sorted(path.name for path in store.paths.runs.iterdir()) if store.paths.runs.is_dir() else []
    shelf = look(store, [name for name in names if RUN_ID.fullmatch(name)])
    unread = [run_id for run_id, task in zip(shelf.column("id"), shelf.column("task"), strict=True) if task is None]
    for run_id in unread:
        if (spec := store.paths.run(run_id).spec).is_file():
            read_json(spec, Spec)  # raises, telling what is wrong with it
    return shelf.take([place for place, task in enumerate(shelf.column("task")) if task is not None]) if unread else shelf


def _epochs_frame(shelf: Shelf, columns: Mapping[str, Sequence[Any]], metrics: Iterable[str] | None = None) -> pd.DataFrame:
    """The epochs of `shelf` beside what its runs have in `columns`, a value a run. `metrics`: only these numbers."""
    import numpy as np
    import pyarrow as pa

    run_of_row = pa.array(np.repeat(np.arange(shelf.runs.num_rows), shelf.runs["rows"].to_numpy()))
    wanted = set(shelf.epochs.column_names if metrics is None else ["epoch", *metrics])
    epochs = {name: shelf.epochs[name] for name in shelf.epochs.column_names if name in wanted}
    return _numbered(
        {**epochs, **{name: pa.array(values).take(run_of_row) for name, values in columns.items()}}, [*columns, "epoch"]
    )


def _outcome(record: Record) -> dict[str, Any]:
    return {**record.metrics, "state": record.state, "reason": record.reason}


def _frame(rows: Iterable[Mapping[str, Any]], first: list[str]) -> pd.DataFrame:
    """Rows -> frame with the columns `first` in front, there even without rows; numbers that were not measured are NaN."""
    columns = table(list(rows), first)
    return _numbered({name: columns[name] for name in columns.column_names}, first)


def _numbered(columns: Mapping[str, Any], first: Sequence[str]) -> pd.DataFrame:
    """Arrow columns -> frame with the columns `first` in front; numbers that were not measured are NaN."""
    import pyarrow as pa

    ordered = {**{name: columns[name] for name in first}, **columns}
    # A column without a single value has no type yet: it is one of words or of numbers.
    for name, column in ordered.items():
        if column.type == pa.null():
            ordered[name] = column.cast(pa.string() if name in WORDS else pa.float64())
    frame: pd.DataFrame = pa.table(ordered).to_pandas()
    return frame
