"""What came of a plan -> what a command shows and says of it at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.analysis.verdicts import Judgement, Table
    from harness.experiment.plan import Plan
    from harness.launch.plan_supervisor import Outcome
    from harness.store.records import Record


def shown(outcome: Outcome, results: Path) -> RenderableType | None:
    """The table of variants and the verdicts; of a plan that only chooses, what it lacks; None where no run has ended."""
    from harness.experiment.plan import task_of
    from harness.launch.plan_supervisor import ended
    from harness.tasks.protocol import result_metrics
    from harness.terminal.summary import ending

    plan, records = outcome.plan, outcome.records
    if not ended(records) or plan.selection is not None:
        return None
    judged, table = _judged(outcome, results)
    return ending(plan, records, table, judged, result_metrics(task_of(plan)), report=str(outcome.report))


def document(outcome: Outcome, results: Path) -> dict[str, Any]:
    """The same for programs; of a plan that only chooses, where its runs stand and what they have chosen."""
    from harness.experiment.plan import task_of
    from harness.store.records import Store
    from harness.tasks.protocol import result_metrics
    from harness.terminal import json_output

    plan, records = outcome.plan, outcome.records
    if plan.selection is not None:
        return json_output.choosing(plan, records)
    judged, table = _judged(outcome, results)
    told = json_output.summary(plan, records, table, judged, result_metrics(task_of(plan)), str(outcome.report))
    store = Store.open(results, create=False)
    chooser = store.load_plan(plan.chosen.plan) if plan.chosen else None
    return (
        told
        if chooser is None
        else {**told, "chosen": json_output.choosing(chooser, store.records(run.id for run in chooser.runs))}
    )


def notes(outcome: Outcome, results: Path) -> list[str]:
    """What stopped workers, what is left, and the way on: lines for a person."""

    plan, records = outcome.plan, outcome.records
    lines = list(outcome.complaints)
    if outcome.exit_code == EXIT_INTERRUPTED:
        elsewhere = sum(record.state == "running" for record in records.values())
        still = f"; other workers train {elsewhere} of the runs" if elsewhere else ""
        lines.append(f"interrupted; everything is kept: the same command goes on{still}")
    missing = lacking(plan, records) if plan.selection is not None else ""
    if missing:
        lines.append(f"{plan.name}: {missing}; {_waits(plan)}")
    elif plan.selection is not None and outcome.exit_code in (EXIT_OK, EXIT_RUNS_FAILED):
        lines.append(_nothing_to_compare(plan))
    if failed := sum(record.state == "failed" for record in records.values()):
        lines.append(f"{failed} of {len(plan.runs)} runs failed; see: harness status {plan.name} --results {quote(str(results))}")
        lines.append("once mended, the same command with --retry failed trains them again")
    return lines


def lacking(plan: Plan, records: Mapping[str, Record]) -> str:
    """Of a plan that chooses, which runs keep it from choosing: `2 of 6 runs are still to train`; empty: none."""

    from harness.reporting import phrases

    states = [records[run.id].state for run in plan.runs]
    left, failed = sum(not records[run.id].ended for run in plan.runs), states.count("failed")
    parts = [f"{left} of {phrases.plural(len(plan.runs), 'run')} still to train"] if left else []
    parts += [f"{phrases.plural(failed, 'run')} failed and must be tried again"] if failed else []
    return ", ".join(parts)


def _waits(plan: Plan) -> str:

    return "the winner's comparison with the base waits for that" if plan.confirms else "the evidence waits for that"


def _nothing_to_compare(plan: Plan) -> str:

    if plan.confirms:
        return "the winner is the base itself: there is nothing to compare it with"
    return f"{plan.name}: at their chosen settings two variants are the same; there is nothing to compare"


def _judged(outcome: Outcome, results: Path) -> tuple[Judgement, Table]:
    from harness.analysis.look_levels import levels_for
    from harness.analysis.verdicts import judgement, table
    from harness.store.frames import runs_frame
    from harness.store.records import Store

    plan, runs = outcome.plan, runs_frame(outcome.plan, outcome.records)
    levels = levels_for(Store.open(results, create=False), plan.looks)
    return judgement(plan, runs, levels), table(plan, runs, levels=levels)
