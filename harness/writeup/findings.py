"""Store, plan -> everything a report tells, gathered once for all its formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.frames import curves_frame, runs_frame
from harness.plan import Plan
from harness.progress import Counts, standing
from harness.store.records import Record, Store
from harness.task import Metric, find_task, result_metrics

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Findings:
    """A plan and what has come of it so far."""

    plan: Plan
    metrics: Mapping[str, Metric]  # all that a result may hold; the first is the default of claims
    records: Mapping[str, Record]
    counts: Counts
    runs: pd.DataFrame  # frames.runs_frame
    epochs: pd.DataFrame  # frames.curves_frame
    folder: Path  # of the report
    results: Path  # the folder that holds all, as it was named

    @property
    def metric(self) -> str:
        """The name of the metric that the report is about."""
        return next(iter(self.metrics))


def gather(store: Store, plan: Plan) -> Findings:
    """Read what there is of `plan`. Raises StoreError for damaged files, InputError when its task cannot be loaded."""
    records = store.records([run.id for run in plan.runs])
    return Findings(
        plan=plan,
        metrics=result_metrics(find_task(plan.task)),
        records=records,
        counts=standing(plan, records),
        runs=runs_frame(plan, records),
        epochs=curves_frame(store, plan, records),
        folder=store.paths.report(plan.name),
        results=store.paths.root,
    )
