"""The runs of a plan in progress as a grid: variants and seeds, each cell a value, an epoch or a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal.dry_run import starred
from harness.terminal.tables import TerminalTable

STATES = {"interrupted": "stopped", "failed": "FAILED", "diverged": "DIVERGED"}

Records = Mapping[str, Record]


def run_cells(plan: Plan, records: Records, name: str, metric: Metric, requested: Sequence[PlannedRun] = ()) -> TerminalTable:
    """One row per variant, one column per seed of `requested` (default: all runs); cells show the value, epoch or state."""
    seeds = list(dict.fromkeys(run.seed for run in requested or plan.runs))
    by_place = {(run.variant, run.seed): run for run in plan.runs}
    awaited = {run.id for run in requested or plan.runs}
    heading = phrases.axis(name, metric.unit)
    columns = [Column(heading, holds="labels"), *(Column(f"seed {seed}", "right", "states") for seed in seeds)]
    rows = []
    for variant, config in plan.variants.items():
        runs = [by_place.get((variant, seed)) for seed in seeds]
        row = [_cell(records.get(run.id), phrases.epochs(config), name, metric, run.id in awaited) if run else "" for run in runs]
        rows.append([starred(variant, plan), *row])
    return TerminalTable.of_rows(columns, rows)


def _cell(record: Record | None, length: int | None, name: str, metric: Metric, awaited: bool) -> str:
    """A run's value, epoch or state; empty if it has none and is not requested."""
    if record is None or record.state == "pending":
        return phrases.NOTHING if awaited else ""
    if record.state == "running":
        return f"epoch {record.epoch}" if length is None else f"{record.epoch}/{length}"
    if record.state == "completed":
        return live_value(record.metrics.get(name), metric)
    return STATES[record.state]


def live_value(value: Any, metric: Metric) -> str:
    """A number in a progress line: percentages with one decimal, others with four significant digits."""
    if not isinstance(value, int | float):
        return phrases.NOTHING
    return phrases.number(value, 1 if metric.unit == "%" else phrases.decimals([value], metric))
