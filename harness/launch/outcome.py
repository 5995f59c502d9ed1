"""The result of a plan: the command's exit code, and what it prints at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from harness.analysis.look_levels import levels_for
from harness.analysis.verdicts import judgement, required, table
from harness.analysis.verdicts.required import Answer
from harness.common.choices import Requirement
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_NOT_MET, EXIT_OK, EXIT_RUNS_FAILED, StoreError
from harness.execution import stages
from harness.execution.consistency import inconsistencies
from harness.experiment import plan as plans
from harness.experiment.model import MAPPING
from harness.experiment.plan import Plan
from harness.experiment.steps import known_steps
from harness.launch.remaining import finished
from harness.reporting import phrases
from harness.reporting.pages.report_data import mixed
from harness.reporting.phrases.nothing_found import NOTHING_CONFIRMED, unconfirmed, unconfirmed_remedies
from harness.store.cases import CaseFiles
from harness.store.frame_cache import load_tables
from harness.store.frames import runs_frame
from harness.store.ledger.history import plan_mismatch
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal import json_output, shell, summary

if TYPE_CHECKING:
    from harness.analysis.verdicts import Judgement, Table

LOST = ("failed", "diverged")  # with either the exit code is 1
RESUME_HINT = "interrupted; everything is saved: run the same command again to resume"


@dataclass(frozen=True)
class Outcome(ABC):
    """The result of a command that trains."""

    exit_code: int
    errors: tuple[str, ...]  # what stopped workers before they trained anything
    report: Path | None  # None: the plan's results only select what is compared

    @abstractmethod
    def tables(self, results: Path) -> list[RenderableType]:
        """For a terminal."""

    @abstractmethod
    def document(self, results: Path) -> dict[str, Any]:
        """For --json."""

    @abstractmethod
    def notes(self, results: Path) -> list[str]:
        """Lines for people: what stopped workers, what remains, and what to do."""

    def show(self, results: Path, as_json: bool) -> None:
        """Print the tables, or with `as_json` one document, on stdout; the notes on stderr."""
        if as_json:
            shell.show_json(self.document(results))
        else:
            shell.show(*self.tables(results))
        for line in self.notes(results):
            shell.say(line)


@dataclass(frozen=True)
class PlanOutcome(Outcome):
    """The result of the last plan that was trained, with its runs' records.

    `before`: the runs and steps as the command found them; `required`: whether the verdicts meet --require, None without it.
    """

    plan: Plan
    records: Mapping[str, Record]
    before: Mapping[str, Record] = field(default_factory=dict)
    required: Answer | None = None
    not_met: str = ""  # which claim is what, if the verdicts do not meet it

    def requiring(self, requirement: Requirement | None, results: Path) -> PlanOutcome:
        """With the exit code of `--require`: unmet, a complete plan gets EXIT_NOT_MET; what failed or stopped keeps its code.

        With files that contradict each other it gets EXIT_RUNS_FAILED, as in `harness report`.
        """
        if requirement is None:
            return self
        if self.plan.selection is not None:  # nothing was compared
            found, not_met = Answer(requirement, ()), phrases.unmet(Answer(requirement, ()), ())
        else:
            judged, _ = _judged(self, results)
            broken = _broken(self, results)
            found = required.answer(judged, requirement, consistent=not broken)
            not_met = "\n".join([*broken, phrases.unmet(found, judged.verdicts)])
        code = self.exit_code
        if code == EXIT_OK and not found.met:
            code = EXIT_NOT_MET if found.consistent else EXIT_RUNS_FAILED
        return replace(self, exit_code=code, required=found, not_met=not_met)

    def tables(self, results: Path) -> list[RenderableType]:
        """Variants and verdicts; nothing if the plan only selects or no run has finished."""
        plan, records = self.plan, self.records
        if not finished(records) or plan.selection is not None:
            return []
        judged, table = _judged(self, results)
        metrics = result_metrics(plans.task_of(plan))
        store = Store.open(results, create=False)
        broken = _broken(self, results)
        differing = mixed(store, plan, records)
        found = summary.plan_results(
            plan, records, table, judged, metrics, report=str(self.report), broken=broken, mixed=differing
        )
        return [Text(), found]

    def document(self, results: Path) -> dict[str, Any]:
        """For --json; of a plan that only selects: its runs' states and the selection."""
        plan, records = self.plan, self.records
        if plan.selection is not None:
            return json_output.choosing(plan, records)
        judged, table = _judged(self, results)
        store = Store.open(results, create=False)
        broken = (*_inconsistencies(self, results), *plan_mismatch(store, plan))
        metrics = result_metrics(plans.task_of(plan))
        steps = store.records(known_steps(plan))
        document = json_output.summary(
            plan,
            records,
            table,
            judged,
            metrics,
            str(self.report),
            broken,
            steps=steps,
            before=self.before,
            required=self.required,
        )
        chooser = store.load_plan(plan.chosen.plan) if plan.chosen else None
        if chooser is None:
            return document
        return {**document, "chosen": json_output.choosing(chooser, store.records(run.id for run in chooser.runs))}

    def notes(self, results: Path) -> list[str]:
        """Lines for people: what stopped workers, what remains, and what to do."""
        plan, records = self.plan, self.records
        lines = list(self.errors)
        if self.exit_code == EXIT_INTERRUPTED:
            elsewhere = sum(record.state == "running" for record in records.values())
            still = f"; other workers train {elsewhere} of the runs" if elsewhere else ""
            lines.append(f"{RESUME_HINT}{still}")
        missing = missing_runs(plan, records) if plan.selection is not None else ""
        if missing:
            lines.append(f"{plan.name}: {missing}; {_blocked_stage(plan)}")
        elif plan.selection is not None and self.exit_code in (EXIT_OK, EXIT_RUNS_FAILED):
            lines += _nothing_to_compare(plan, records, results)
        states = [record.state for record in records.values()]
        if lost := [f"{phrases.plural(states.count(state), 'run')} {state}" for state in LOST if state in states]:
            lines.append(f"{', '.join(lost)}; see: harness status {plan.name} --results {quote(str(results))}")
        if "failed" in states:
            if (
                plan.program is not None
                and plan.file != MAPPING
                and any(record.reason == "output" for record in records.values())
            ):
                again = f"harness reread {plan.experiment} (trains nothing)"
                lines.append(f"if only a text, pattern or file of a metric was wrong, correct it, then: {again}")
            lines.append("after fixing the cause, run the same command with --retry failed")
        return [*lines, self.not_met] if self.not_met else lines


def exit_code(workers: int, *, left: bool, failed: bool) -> int:
    """The command's exit code from its workers' most severe one, and whether anything is `left` to train or has failed."""
    if workers == EXIT_BAD_INPUT:
        return EXIT_BAD_INPUT
    if left and (workers == EXIT_INTERRUPTED or not failed):
        return EXIT_INTERRUPTED
    return EXIT_RUNS_FAILED if failed else EXIT_OK


def missing_runs(plan: Plan, records: Mapping[str, Record]) -> str:
    """Why a plan cannot select yet, such as `2 of 6 runs still to train`; empty: it can."""
    states = [records[run.id].state for run in plan.runs]
    left, failed = sum(not records[run.id].finished for run in plan.runs), states.count("failed")
    parts = [f"{left} of {phrases.plural(len(plan.runs), 'run')} still to train"] if left else []
    parts += [f"{phrases.plural(failed, 'run')} failed and must be retried"] if failed else []
    return ", ".join(parts)


def _blocked_stage(plan: Plan) -> str:
    return "the winner's comparison with the base needs them" if plan.confirms else "the evidence needs them"


def _nothing_to_compare(plan: Plan, records: Mapping[str, Record], results: Path) -> list[str]:
    if plan.confirms and not all(choice.measured for choice in stages.choices(plan, records)):
        return [f"{NOTHING_CONFIRMED}: {unconfirmed(plan, records)}", *unconfirmed_remedies(plan, results)]
    if plan.confirms:
        return ["the winner is the base itself: nothing to compare"]
    return [f"{plan.name}: at their selected settings two variants are the same: nothing to compare"]


def _judged(outcome: PlanOutcome, results: Path) -> tuple[Judgement, Table]:
    plan, runs = outcome.plan, runs_frame(outcome.plan, outcome.records)
    store = Store.open(results, create=False)
    levels, cases = levels_for(store, plan), CaseFiles(store)
    return judgement(plan, runs, levels, cases), table(plan, runs, levels=levels, cases=cases)


def _broken(outcome: PlanOutcome, results: Path) -> list[str]:
    """Sentences about files that contradict each other or the ledger."""
    found = _inconsistencies(outcome, results), plan_mismatch(Store.open(results, create=False), outcome.plan)
    return [text for text in (phrases.not_consistent(found[0]), phrases.ledger_differs(found[1])) if text]


def _inconsistencies(outcome: PlanOutcome, results: Path) -> Sequence[str]:
    """What does not fit among the files of the plan and its runs; a file that cannot be read is a problem, too."""
    store, plan = Store.open(results, create=False), outcome.plan
    try:
        tables = load_tables(store, [run.id for run in plan.runs])
    except StoreError as error:
        return [str(error)]
    return inconsistencies(store, plan, outcome.records, result_metrics(plans.task_of(plan)), tables, {})
