"""Machine-readable files of a report: runs.csv, trials.csv and verdicts.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from harness.analysis.verdicts.document import judged
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_data import SearchReportData
from harness.reporting.tables.versions import version_values

# Spreadsheets read text that begins with one of these as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def runs_csv(report: ReportData) -> str:
    """A row per planned run, in plan order: identity, state, all numbers of its result, device and code of its first start, and
    whether its result was known when the plan was written.

    Numbers are in the metrics' units; for a failed or diverged run, the last measured. Unknown values are empty.
    """
    measured = dict.fromkeys(name for run in report.plan.runs for name in report.records[run.id].metrics)
    numbers = [name for name in report.metrics if name in measured]
    numbers += [name for name in measured if name not in report.metrics]
    known_ids = None if report.plan.known is None else frozenset(report.plan.known)
    rows = []
    for run in report.plan.runs:
        record, origin = report.records[run.id], report.origins.get(run.id)
        made = (origin.device, origin.code.commit, origin.code.dirty, origin.code.digest) if origin else (None,) * 4
        known = None if known_ids is None else run.id in known_ids
        own = (run.id, run.variant, run.seed, run.look, record.state, record.reason)
        rows.append((*own, *map(record.metrics.get, numbers), *made, known))
    names = ("id", "variant", "seed", "look", "state", "reason", *numbers, "device", "commit", "dirty", "code", "known")
    return csv_text(names, rows)


def trials_csv(report: SearchReportData) -> str:
    """A row per trial, in order: number, state, objectives (if completed), parameters, cost, run ids separated by spaces.

    Missing values are empty.
    """
    objectives, parameters = list(report.study.objectives), [parameter.name for parameter in report.study.space]
    rows = []
    for trial in report.trials:
        own = (*map(trial.objectives.get, objectives), *map(trial.values.get, parameters))
        rest = (trial.epochs, trial.seconds, " ".join(trial.runs), trial.reason, trial.follows)
        rows.append((trial.number, trial.state, *own, *rest))
    return csv_text(("number", "state", *objectives, *parameters, "epochs", "seconds", "runs", "reason", "follows"), rows)


def csv_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; text that a spreadsheet would read as a formula is escaped."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    for row in (names, *rows):
        table.writerow(map(csv_cell, row))
    return stream.getvalue()


def csv_cell(value: Any) -> Any:
    """Escapes text that a spreadsheet would read as a formula with a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def verdicts(report: ReportData) -> dict[str, Any]:
    """JSON values: the plan, its looks, and under `verdicts` one object per claim (`harness.analysis.verdicts.document`)."""
    plan = report.plan
    existing = {} if report.existing is None else {"existing": report.existing.document}
    return {
        "schema": 1,
        "name": plan.name,
        "question": plan.question,
        **({"scale": plan.scale.model_dump(mode="json")} if plan.scale else {}),
        "rehearsal": plan.rehearsal,
        **existing,
        "complete": report.complete,
        "inconsistencies": [*report.inconsistencies, *report.mismatches],
        "alpha": plan.alpha,
        "levels": [{"seeds": seeds, "level": level} for seeds, level in report.levels.items()],
        "claims_digest": plan.claims_digest,
        **({"code": versions} if (versions := version_values(plan)) else {}),
        "ledger": standing.document() if (standing := report.ledger.standing) else None,
        **judged(report.judgement, report.metrics),
    }
