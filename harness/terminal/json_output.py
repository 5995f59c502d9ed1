"""The documents of `--json` for plans, runs, searches and trials: plain values, stable keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.analysis.verdicts import Judgement, Row, Table
from harness.analysis.verdicts.document import judged, plain
from harness.analysis.verdicts.required import Answer
from harness.execution.stages import choices
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.steps import SharedStep
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases.nothing_found import examples, happened
from harness.reporting.phrases.trials import edges
from harness.reporting.tables.versions import version_values
from harness.search.nothing_found import NothingFound
from harness.search.trials import Trial, counted, ranked
from harness.store.paths import RunPaths
from harness.store.records import Record, encode
from harness.store.run_places import RunPlaces
from harness.tasks.protocol import Metric
from harness.terminal.dry_run import Preview
from harness.terminal.status import PlanStatus, files_of, spec_difference


def plan_status(status: PlanStatus, now: datetime | None = None) -> dict[str, Any]:
    """A plan's name, counts and verdicts (null before the first look). `now`: UTC, default: the clock."""
    now = now or datetime.now(UTC)
    updated = None if status.updated is None else (now - timedelta(seconds=status.updated)).isoformat(timespec="seconds")
    return {
        "name": status.plan.name,
        "rehearsal": status.plan.rehearsal,
        **loop_values(status.plan),
        "counts": asdict(status.counts),
        "verdicts": None if status.judgement is None else judged(status.judgement, status.metrics)["verdicts"],
        "claims_changed": status.plan.amended is not None,
        "code": version_values(status.plan),
        "results_known": None if status.plan.known is None else len(status.plan.known),
        "resumed": status.resumed,
        "updated": updated,
    }


def loop_values(plan: Plan) -> dict[str, Any]:
    """`loop`: name, number and level of a member of a loop of comparisons, and the alpha of all; empty for other plans."""
    return {} if plan.loop is None else {"loop": {**plan.loop.model_dump(mode="json"), "level": plan.alpha}}


def plan_runs(plan: Plan, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Every planned run with its result; a plan whose results choose shows only the metric it chooses by."""
    chooses_by = plan.selection.metric if plan.selection else None
    found = []
    for run in plan.runs:
        outcome = run_outcome(records[run.id])
        if chooses_by is not None:
            outcome["metrics"] = {name: value for name, value in outcome["metrics"].items() if name == chooses_by}
        found.append({"variant": run.variant, "seed": run.seed, "look": run.look, **outcome})
    return found


def step_runs(steps: Mapping[str, SharedStep], records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Every step of a plan's runs with its result, and the ids of the runs that need it."""
    return [
        {
            "step": step.run.name,
            "seed": step.run.spec.seed,
            "needed_by": [run.id for run in step.needed_by],
            **run_outcome(records[run_id]),
        }
        for run_id, step in steps.items()
    ]


def choosing(plan: Plan, records: Mapping[str, Record]) -> dict[str, Any]:
    """A plan whose results choose: every run, and the choice of each group once all runs have finished."""
    assert plan.selection is not None
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": phrases.rehearsal(plan),
        "code": version_values(plan),
        "metric": plan.selection.metric,
        "choices": [asdict(choice) for choice in choices(plan, records)],
        "runs": plan_runs(plan, records),
    }


def run_outcome(record: Record) -> dict[str, Any]:
    """A run's state and result."""
    keys = ("id", "state", "reason", "error", "epoch", "ended_at", "seconds")
    return {
        **{key: getattr(record, key) for key in keys},
        "metrics": {name: encode(value) for name, value in record.metrics.items()},
    }


def run_details(
    record: Record,
    spec: Spec,
    places: RunPlaces,
    paths: RunPaths,
    url: str | None = None,
    *,
    resumed: bool = False,
) -> dict[str, Any]:
    """One run: its result, spec, variants, plans, trials, files and W&B `url`; `resumed`: its program resumed it by itself."""
    return {
        **run_outcome(record),
        "spec": spec.model_dump(mode="json", by_alias=True),
        **run_places(places),
        "files": [str(file) for file in files_of(paths)],
        "url": url,
        "resumed": resumed,
    }


def run_places(places: RunPlaces) -> dict[str, Any]:
    """The variants, plans and trials of a run."""
    return {"variants": list(places.variants), "plans": places.named, "trials": places.named_trials}


def run_difference(first: tuple[str, Spec], second: tuple[str, Spec], places: Sequence[RunPlaces]) -> dict[str, Any]:
    """The parts of two run ids that differ, and where the runs belong."""
    pairs = spec_difference(first[1], second[1])
    return {
        "runs": [first[0], second[0]],
        "places": [run_places(each) for each in places],
        "differences": {key: list(values) for key, values in pairs.items()},
    }


def dry_run(preview: Preview) -> dict[str, Any]:
    """The plan as it would be stored, its power, and the state of each run; a tuned experiment adds its `evidence` plan.

    `asked` counts the runs up to the current look.
    """
    if preview.follows is not None:
        return {**_plan_preview(preview), "evidence": _plan_preview(preview.follows)}
    return _plan_preview(preview)


def _plan_preview(preview: Preview) -> dict[str, Any]:
    document = preview.plan.model_dump(mode="json", by_alias=True, exclude={"runs"})
    power = None if preview.power is None else asdict(preview.power)
    return {
        "code": {},  # the plan has it only where the code varies
        **document,
        "parameters": dict(preview.parameters),
        "power": power,
        "levels": preview.levels,
        "inputs": [asdict(each) for each in preview.inputs],
        "remarks": list(preview.remarks),
        "missing": list(preview.missing),
        "time_basis": None if preview.basis is None else asdict(preview.basis),
        "asked": len(preview.requested),
        "commands": [asdict(each) for each in preview.commands],
        "runs": plan_runs(preview.plan, preview.records),
    }


def summary(  # noqa: PLR0917 - one argument per kind of result
    plan: Plan,
    records: Mapping[str, Record],
    table: Table,
    judgement: Judgement,
    metrics: Mapping[str, Metric],
    report: str | None,
    inconsistencies: Sequence[str] = (),
    *,
    steps: Mapping[str, Record] | None = None,
    before: Mapping[str, Record] | None = None,
    required: Answer | None = None,
) -> dict[str, Any]:
    """A plan's results for `run`, `compare` and `report`: table, verdicts, runs, what they cost, and the path of the report.

    `steps`: the runs of its steps, if it has any; `before`: the runs of both as the command found them, None if it trains
    nothing.
    """
    return {
        **compared(plan, table, judgement, metrics, required),
        **used(plan, {**records, **(steps or {})}, before),
        "inconsistencies": list(inconsistencies),
        "runs_not_needed": phrases.runs_not_needed(plan, judgement),
        "runs": plan_runs(plan, records),
        "report": report,
    }


def compared(
    plan: Plan, table: Table, judgement: Judgement, metrics: Mapping[str, Metric], required: Answer | None
) -> dict[str, Any]:
    """The part of `summary` that does not list runs: table, verdicts, `--require`."""
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": phrases.rehearsal(plan),
        **loop_values(plan),
        "metric": table.metric,
        "baseline": plan.baseline,
        "code": version_values(plan),
        "compared_seeds": table.seeds,
        "level": table.level,
        "variants": [row_values(row) for row in table.rows],
        **judged(judgement, metrics),
        "required": answered(required, judgement),
    }


def answered(found: Answer | None, judgement: Judgement) -> dict[str, Any] | None:
    """Whether every claim meets `--require`, and the claims that do not, by their numbers from 1; null without `--require`."""
    if found is None:
        return None
    unmet = [
        {"claim": place, "verdict": verdict.verdict, "lack": lack}
        for place, (verdict, lack) in enumerate(zip(judgement.verdicts, found.lacks, strict=True), 1)
        if lack is not None
    ]
    return {"requirement": found.requirement, "met": found.met, "unmet": unmet}


def used(plan: Plan, records: Mapping[str, Record], before: Mapping[str, Record] | None) -> dict[str, Any]:
    """The finished runs that were there already, those that have finished since `before`, and the seconds of training of both."""
    finished = {run_id: record for run_id, record in records.items() if record.finished}
    earlier = {run_id: record.ended_at for run_id, record in (finished if before is None else before).items() if record.finished}
    # A run that was trained again has ended at another time.
    trained = [run_id for run_id, record in finished.items() if earlier.get(run_id, "") != record.ended_at]
    seconds = {run_id: record.seconds or 0.0 for run_id, record in finished.items()}
    return {
        "used": {"found": [run_id for run_id in finished if run_id not in trained], "trained": trained},
        "cost": {
            "device": plan.accelerator,
            "seconds": sum(seconds.values()),
            "trained_seconds": sum(seconds[run_id] for run_id in trained),
        },
    }


def row_values(row: Row) -> dict[str, Any]:
    """A variant's row; missing values are null. `runs` and `absent` as in a verdict."""
    return {key: plain(value) for key, value in asdict(row).items() if value or key not in ("runs", "absent")}


def trial_values(trial: Trial) -> dict[str, Any]:
    """A trial; missing values are null."""
    values = asdict(trial)
    return {
        **values,
        "values": dict(trial.values),
        "objectives": dict(trial.objectives),
        "curve": None if trial.curve is None else {str(epoch): value for epoch, value in trial.curve.items()},
    }


def search_values(study: Study, trials: Sequence[Trial], nothing: NothingFound | None = None) -> dict[str, Any]:
    """A search: counts, the numbers of the best trials, and all trials; `nothing_found`: null unless it ended without any."""
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
        "nothing_found": None if nothing is None else {"what": happened(nothing), "examples": examples(nothing)},
        "trials": [trial_values(trial) for trial in trials],
    }
