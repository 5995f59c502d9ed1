"""ExportGroups -> tidy tables: runs, curves, claims. They are CSV for pandas, or JSON for tables of Weights & Biases."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analysis.verdicts.document import as_measured, numbers
from harness.exporting.about import RESULT
from harness.exporting.groups import ExportGroup, ExportRun
from harness.reporting import phrases
from harness.tracking.page import without_secrets

SETTING = "config."  # prefix of the columns of settings
ESTIMATE = ("n", "mean", "sd", "p", "p_adjusted")


@dataclass(frozen=True)
class Table:
    """Rows of cells in the order of `columns`; None: not measured."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def tables_of(groups: Sequence[ExportGroup]) -> Iterator[Table]:
    """The tables runs, curves and, if a plan has claims, claims. Raises StoreError."""
    yield _table("runs", [_run_cells(group, run) for group in groups for run in group.runs])
    yield _table("curves", [cells for group in groups for cells in _curve_cells(group)])
    if claims := [cells for group in groups for cells in _claim_cells(group)]:
        yield _table("claims", claims)


def write_csv(groups: Sequence[ExportGroup], folder: Path) -> None:
    """Write runs.csv, curves.csv and claims.csv. Raises StoreError.

    Numbers have all their digits, and texts are as they are: a program that takes `=1+1` for a formula shows another text.
    """
    for table in tables_of(groups):
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            writer.writerows(table.rows)


def write_wandb_tables(groups: Sequence[ExportGroup], folder: Path) -> None:
    """Write runs.table.json, curves.table.json and claims.table.json: what `wandb.Table` is made from, and how W&B stores it.

    Numbers that are not finite are NaN and Infinity, as Python and W&B's own client write them. Raises StoreError.
    """
    for table in tables_of(groups):
        # W&B's own formats are made to be uploaded, so they have no secrets, as what the mirror uploads.
        rows = without_secrets(table.rows)
        document = {"columns": table.columns, "data": rows, "ncols": len(table.columns), "nrows": len(rows)}
        with (folder / f"{table.name}.table.json").open("w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump({"_type": "table", **document}, file, ensure_ascii=False)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return Table(name, columns, [[row.get(column) for column in columns] for row in rows])


def _run_cells(group: ExportGroup, run: ExportRun) -> dict[str, Any]:
    own = {
        "plan": group.plan,
        "id": run.id,
        "variant": run.variant,
        "seed": run.seed,
        "state": run.state,
        "counts_as": group.counts_as,
        "look": run.look,
        "trial": run.trial,
        "task": run.task,
        "reason": run.record.reason,
        "error": run.record.error,
        "ended": run.record.ended_at,
    }
    settings = {f"{SETTING}{name}": _cell(run.settings.get(name)) for name in group.varying}
    results = group.results(run)
    return {**own, **settings, **_beside(own, {name: results.get(name) for name in group.numbers})}


def _curve_cells(group: ExportGroup) -> Iterator[dict[str, Any]]:
    for run in group.runs:
        own = {"plan": group.plan, "id": run.id, "variant": run.variant, "seed": run.seed, "state": run.state}
        for row in group.rows(run):
            yield {**own, **_beside(own, row)}


def _beside(own: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers under names other than those of the run's fields: `result/seed`."""
    return {f"{RESULT}{name}" if name in own else name: value for name, value in numbers.items()}


def _claim_cells(group: ExportGroup) -> Iterator[dict[str, Any]]:
    if group.report is None:
        return
    metrics = group.report.metrics
    for number, verdict in enumerate(group.report.judgement.verdicts, start=1):
        own = {"plan": group.plan, "claim": number, "text": phrases.claim(verdict.claim, metrics), "verdict": verdict.verdict}
        own |= {"kind": verdict.claim.kind, "metric": verdict.claim.metric}
        rest = {"decided_at": verdict.decided_at, "registered": verdict.registered, "counts_as": group.counts_as}
        if not verdict.rows:  # before the first look
            yield {**own, **rest}
        for row in verdict.rows:
            measured = numbers(as_measured(row, verdict.claim, metrics))
            low, high = measured["interval"] or (None, None)
            estimate = {name: measured[name] for name in ESTIMATE}
            yield {
                **own,
                "verdict": row.verdict,
                "variant": row.subject,
                "over": row.over,
                **estimate,
                "low": low,
                "high": high,
                **rest,
            }


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False, default=str)
