"""Plans, records -> the documents of `--json`: plain values, stable keys, one document a command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness import wording
from harness.console.standing import Standing, files_of, spec_difference
from harness.frames import Row, compare
from harness.plan import Plan
from harness.store.paths import RunPaths
from harness.store.records import Record, Spec, encode

if TYPE_CHECKING:
    import pandas as pd


def plan_standing(standing: Standing, now: datetime | None = None) -> dict[str, Any]:
    """A plan's name and counts. `now` is the clock, UTC by default."""
    now = now or datetime.now(UTC)
    updated = None if standing.updated is None else (now - timedelta(seconds=standing.updated)).isoformat(timespec="seconds")
    return {
        "name": standing.plan.name,
        "rehearsal": standing.plan.rehearsal,
        "counts": asdict(standing.counts),
        "updated": updated,
    }


def plan_runs(plan: Plan, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Every planned run with what became of it."""
    return [{"variant": run.variant, "seed": run.seed, "look": run.look, **run_outcome(records[run.id])} for run in plan.runs]


def run_outcome(record: Record) -> dict[str, Any]:
    """A run's record."""
    keys = ("id", "state", "reason", "error", "epoch", "ended_at", "seconds")
    return {
        **{key: getattr(record, key) for key in keys},
        "metrics": {name: encode(value) for name, value in record.metrics.items()},
    }


def run_details(record: Record, spec: Spec, plans: list[str], paths: RunPaths) -> dict[str, Any]:
    """One run with its spec, its plans and its files."""
    return {
        **run_outcome(record),
        "spec": spec.model_dump(mode="json", by_alias=True),
        "plans": plans,
        "files": [str(file) for file in files_of(paths)],
    }


def run_difference(first: tuple[str, Spec], second: tuple[str, Spec]) -> dict[str, Any]:
    """Two runs -> the keys whose values differ."""
    pairs = spec_difference(first[1], second[1])
    return {"runs": [first[0], second[0]], "differences": {key: list(values) for key, values in pairs.items()}}


def dry_run(plan: Plan, records: Mapping[str, Record], parameters: Mapping[str, float]) -> dict[str, Any]:
    """What `run --dry-run --json` prints: the plan as it would be stored, and where each run stands."""
    document = plan.model_dump(mode="json", by_alias=True, exclude={"runs"})
    return {**document, "parameters": dict(parameters), "runs": plan_runs(plan, records)}


def summary(plan: Plan, records: Mapping[str, Record], runs: pd.DataFrame, metric: str, report: str | None) -> dict[str, Any]:
    """What `run --json` and `report --json` print of a plan: the table of its end, every run, and where the report is."""
    comparison = compare(runs, metric, plan.baseline, plan.looks)
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": wording.rehearsal(plan),
        "metric": metric,
        "baseline": plan.baseline,
        "compared_seeds": comparison.seeds,
        "variants": [statistics(row) for row in comparison.rows],
        "runs": plan_runs(plan, records),
        "report": report,
    }


def statistics(row: Row) -> dict[str, Any]:
    """A variant's row as JSON: what there is none of is null."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()}
