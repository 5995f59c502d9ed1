"""Plans, runs, searches and trials -> the documents of `--json`: plain values, stable keys, one document a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.analysis.verdicts import Judgement, Row, Table
from harness.analysis.verdicts.document import judged, plain
from harness.execution.stages import choices
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases.trials import edges
from harness.search.trials import Trial, counted, ranked
from harness.store.paths import RunPaths
from harness.store.records import Record, encode
from harness.tasks.protocol import Metric
from harness.terminal.dry_run import Preview
from harness.terminal.status import PlanStatus, files_of, spec_difference


def plan_standing(standing: PlanStatus, now: datetime | None = None) -> dict[str, Any]:
    """A plan's name, counts and verdicts (null before the first look). `now` is the clock, UTC by default."""
    now = now or datetime.now(UTC)
    updated = None if standing.updated is None else (now - timedelta(seconds=standing.updated)).isoformat(timespec="seconds")
    return {
        "name": standing.plan.name,
        "rehearsal": standing.plan.rehearsal,
        "counts": asdict(standing.counts),
        "verdicts": None if standing.judgement is None else judged(standing.judgement, standing.metrics)["verdicts"],
        "claims_changed": standing.plan.amended is not None,
        "resumed": standing.resumed,
        "updated": updated,
    }


def plan_runs(plan: Plan, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Every planned run with what became of it; where the plan's results choose, of its metrics only the one they choose by."""
    chooses_by = plan.selection.metric if plan.selection else None
    found = []
    for run in plan.runs:
        told = run_outcome(records[run.id])
        if chooses_by is not None:
            told["metrics"] = {name: value for name, value in told["metrics"].items() if name == chooses_by}
        found.append({"variant": run.variant, "seed": run.seed, "look": run.look, **told})
    return found


def choosing(plan: Plan, records: Mapping[str, Record]) -> dict[str, Any]:
    """A plan whose results choose: every run, and of each group what was chosen; no choice before every run has ended."""
    assert plan.selection is not None
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": phrases.rehearsal(plan),
        "metric": plan.selection.metric,
        "choices": [asdict(choice) for choice in choices(plan, records)],
        "runs": plan_runs(plan, records),
    }


def run_outcome(record: Record) -> dict[str, Any]:
    """A run's record."""
    keys = ("id", "state", "reason", "error", "epoch", "ended_at", "seconds")
    return {
        **{key: getattr(record, key) for key in keys},
        "metrics": {name: encode(value) for name, value in record.metrics.items()},
    }


def run_details(  # noqa: PLR0917 - what is known of a run, each of it named
    record: Record,
    spec: Spec,
    plans: list[str],
    paths: RunPaths,
    url: str | None = None,
    trials: Sequence[str] = (),
    *,
    resumed: bool = False,
) -> dict[str, Any]:
    """One run with its spec, its plans, the trials it is part of, its files, the URL of its page in W&B, and whether a program
    resumed it by itself.
    """
    return {
        **run_outcome(record),
        "spec": spec.model_dump(mode="json", by_alias=True),
        "plans": plans,
        "trials": list(trials),
        "files": [str(file) for file in files_of(paths)],
        "url": url,
        "resumed": resumed,
    }


def run_difference(first: tuple[str, Spec], second: tuple[str, Spec]) -> dict[str, Any]:
    """Two runs -> the keys whose values differ."""
    pairs = spec_difference(first[1], second[1])
    return {"runs": [first[0], second[0]], "differences": {key: list(values) for key, values in pairs.items()}}


def dry_run(preview: Preview) -> dict[str, Any]:
    """What `run --dry-run --json` prints: the plan as it would be stored, its power, and where each run stands.

    `asked` counts the runs that its looks ask for so far. Of a tuned experiment: its tuning, with the `evidence` likewise.
    """
    if preview.follows is not None:
        return {**_ahead(preview), "evidence": _ahead(preview.follows)}
    return _ahead(preview)


def _ahead(preview: Preview) -> dict[str, Any]:
    document = preview.plan.model_dump(mode="json", by_alias=True, exclude={"runs"})
    power = None if preview.power is None else asdict(preview.power)
    return {
        **document,
        "parameters": dict(preview.parameters),
        "power": power,
        "levels": preview.levels,
        "remarks": list(preview.remarks),
        "asked": len(preview.asked),
        "runs": plan_runs(preview.plan, preview.records),
    }


def summary(  # noqa: PLR0917 - what a plan came to, each of it named
    plan: Plan,
    records: Mapping[str, Record],
    table: Table,
    judgement: Judgement,
    metrics: Mapping[str, Metric],
    report: str | None,
) -> dict[str, Any]:
    """What `run --json` and `report --json` print of a plan: table and verdicts, every run, and where the report is."""
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": phrases.rehearsal(plan),
        "metric": table.metric,
        "baseline": plan.baseline,
        "compared_seeds": table.seeds,
        "level": table.level,
        "variants": [row_values(row) for row in table.rows],
        **judged(judgement, metrics),
        "runs": plan_runs(plan, records),
        "report": report,
    }


def row_values(row: Row) -> dict[str, Any]:
    """A variant's row as JSON: what there is none of is null."""
    return {key: plain(value) for key, value in asdict(row).items()}


def trial_values(trial: Trial) -> dict[str, Any]:
    """A trial as JSON: what there is none of is null."""
    values = asdict(trial)
    return {
        **values,
        "values": dict(trial.values),
        "objectives": dict(trial.objectives),
        "curve": None if trial.curve is None else {str(epoch): value for epoch, value in trial.curve.items()},
    }


def search_values(study: Study, trials: Sequence[Trial]) -> dict[str, Any]:
    """A search with its counts and every trial, the best ones by number first."""
    best = ranked(study, trials)
    own = counted(trials)
    return {
        "name": study.name,
        "question": study.question,
        "rehearsal": study.rehearsal,
        "objectives": dict(study.objectives),
        "target": study.trials,
        "counts": {state: sum(trial.state == state for trial in own) for state in sorted({trial.state for trial in own})},
        "best": [trial.number for trial in best],
        "edges": edges(study, best[0].values) if best else [],
        "trials": [trial_values(trial) for trial in trials],
    }
