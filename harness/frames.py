"""Store -> tidy frames, and the table of means and paired differences that every screen and report shows.

`load_runs`    one row a run: id, [variant, seed, look with a plan's name], task, state, reason, every metric of its result
`load_curves`  one row a run and epoch: id, [variant with a plan's name,] seed, state of the run, epoch, the rest of metrics.jsonl
`compare`      one row a variant: n, mean, sd, pairs, difference
Missing values are NaN; the "nan" and "inf" of the files are numbers here. pandas is imported when a frame is made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.plan import Plan
from harness.store.atomic import read_json
from harness.store.paths import RUN_ID
from harness.store.records import Record, Spec, Store, rows_so_far

if TYPE_CHECKING:
    import pandas as pd

ENDED = ("completed", "diverged", "failed")


def load_runs(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row a run of the plan `name`, in the plan's order; without a name every run on disk, by id.

    Raises InputError for a plan that is not there, StoreError for files that cannot be read.
    """
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return runs_frame(plan, store.records([run.id for run in plan.runs]))
    found = _spec_of_each_run(store)
    records = store.records(list(found))
    return _frame(
        [{"id": run_id, "seed": spec.seed, "task": spec.task, **_outcome(records[run_id])} for run_id, spec in found.items()],
        ["id", "seed", "task", "state", "reason"],
    )


def load_curves(name: str | None = None, results: str | Path = "results") -> pd.DataFrame:
    """One row a run and epoch of the plan `name`; without a name of every run on disk. Raises as `load_runs`."""
    store = Store.open(Path(results), create=False)
    if name is not None:
        plan = stored_plan(store, name)
        return curves_frame(store, plan, store.records([run.id for run in plan.runs]))
    found = _spec_of_each_run(store)
    records = store.records(list(found))
    rows = [
        {"id": run_id, "seed": spec.seed, "state": records[run_id].state, **row}
        for run_id, spec in found.items()
        for row in rows_so_far(store.paths.run(run_id), records[run_id])
    ]
    return _frame(rows, ["id", "seed", "state", "epoch"])


def runs_frame(plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a planned run; see the module's first lines."""
    rows = [
        {"id": run.id, "variant": run.variant, "seed": run.seed, "look": run.look, "task": plan.task, **_outcome(records[run.id])}
        for run in plan.runs
    ]
    return _frame(rows, ["id", "variant", "seed", "look", "task", "state", "reason"])


def curves_frame(store: Store, plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a planned run and epoch trained so far; see the module's first lines."""
    rows = [
        {"id": run.id, "variant": run.variant, "seed": run.seed, "state": records[run.id].state, **row}
        for run in plan.runs
        for row in rows_so_far(store.paths.run(run.id), records[run.id])
    ]
    return _frame(rows, ["id", "variant", "seed", "state", "epoch"])


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


def compared_seeds(runs: pd.DataFrame, looks: Sequence[int]) -> int:
    """The number of seeds that may be compared: the largest look, or the whole plan, whose runs have ended for every variant.

    0: none yet. Comparing before that would let a person stop when the numbers please.
    """
    if runs.empty:
        return 0
    waiting = runs.loc[~runs["state"].isin(ENDED), "seed"]
    planned = sorted(set(runs["seed"]))
    complete = len(planned) if waiting.empty else planned.index(waiting.min())
    return max((stage for stage in (*looks, len(planned)) if stage <= complete), default=0)


@dataclass(frozen=True)
class Row:
    """A variant's completed runs. Floats are in the metric's unit, NaN where there is none.

    `mean` and `sd` (ddof 1) are over `n` runs; `difference` is the mean of variant minus baseline over `pairs` seeds.
    """

    variant: str
    n: int
    mean: float
    sd: float
    pairs: int
    difference: float


@dataclass(frozen=True)
class Comparison:
    """A row a variant, in the plan's order; `seeds` says over how many seeds, 0: too early to show a difference."""

    seeds: int
    rows: tuple[Row, ...]


def compare(runs: pd.DataFrame, metric: str, baseline: str, looks: Sequence[int]) -> Comparison:
    """Frame of a plan's runs -> its table of means and differences, paired by seed.

    Everything is over the seeds of `compared_seeds`; while there are none, every completed run counts towards its mean and no
    difference is given. Only completed runs with a finite value count.
    """
    import numpy as np
    import pandas as pd

    seeds = compared_seeds(runs, looks)
    variants = [str(variant) for variant in dict.fromkeys(runs["variant"])]
    values = runs[runs["state"] == "completed"]
    if seeds:
        values = values[values["seed"].isin(sorted(set(runs["seed"]))[:seeds])]
    wide = values.pivot(index="seed", columns="variant", values=metric) if metric in values and len(values) else pd.DataFrame()
    wide = wide.reindex(columns=variants).astype(float).replace([np.inf, -np.inf], np.nan)

    def row(variant: str) -> Row:
        own = wide[variant].dropna()
        pairs = (wide[variant] - wide[baseline]).dropna() if seeds and variant != baseline else own.iloc[:0]
        return Row(variant, len(own), float(own.mean()), float(own.std(ddof=1)), len(pairs), float(pairs.mean()))

    return Comparison(seeds, tuple(row(variant) for variant in variants))


def _spec_of_each_run(store: Store) -> dict[str, Spec]:
    """Run id -> spec.json of every run on disk, by id; foreign folders are passed over."""
    folders = sorted(store.paths.runs.iterdir()) if store.paths.runs.is_dir() else []
    runs = [store.paths.run(folder.name) for folder in folders if RUN_ID.fullmatch(folder.name)]
    return {run.folder.name: read_json(run.spec, Spec) for run in runs if run.spec.is_file()}


def _outcome(record: Record) -> dict[str, Any]:
    return {"state": record.state, "reason": record.reason, **record.metrics}


def _frame(rows: Iterable[Mapping[str, Any]], first: list[str]) -> pd.DataFrame:
    """Rows -> frame with the columns `first` in front, there even without rows; numbers that were not measured are NaN."""
    import pandas as pd

    frame = pd.DataFrame(list(rows))
    frame = frame.reindex(columns=[*first, *(column for column in frame if column not in first)])
    # A column of None alone is of no type yet, and one None makes a column of numbers an object column.
    for column in frame.columns.difference(["id", "variant", "task", "state", "reason"]):
        frame[column] = pd.to_numeric(frame[column], errors="coerce") if frame[column].dtype == object else frame[column]
    return frame
