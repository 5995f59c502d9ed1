"""The result of a plan: the command's exit code, and what it prints at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from harness.execution.recording import record_looks
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
    import pandas as pd

    from harness.analysis.statistics import Levels
    from harness.analysis.verdicts import Judgement, Table

LOST = ("failed", "diverged")  # with either the exit code is 1
RESUME_HINT = "interrupted; everything is saved: run the same command again to resume"


@dataclass(frozen=True)
class Outcome(ABC):
    """The result of a command that trains."""

    exit_code: int
    errors: tuple[str, ...]  # what stopped workers before they trained anything
    report: Path | None  # written by `conclude`; None: the plan's results only select what is compared

    @property
    @abstractmethod
    def reports(self) -> tuple[str, ...]:
        """The names of the plans and searches whose reports are to be written."""

    @abstractmethod
    def record(self, results: Path) -> None:
        """Record in the ledger what the results decide. Raises StoreError."""

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
class Findings:
    """What a plan's records lead to, each found once. Raises StoreError for files that cannot be read."""

    store: Store
    plan: Plan
    records: Mapping[str, Record]

    @cached_property
    def judgement(self) -> Judgement:
        """The verdicts."""
        return judgement(self.plan, self._runs, self._levels, CaseFiles(self.store))

    @cached_property
    def table(self) -> Table:
        """The variants by the first metric."""
        return table(self.plan, self._runs, levels=self._levels, cases=CaseFiles(self.store))

    @cached_property
    def mixed(self) -> tuple[str, ...]:
        """What the runs were not trained alike with."""
        return mixed(self.store, self.plan, self.records)

    @cached_property
    def inconsistencies(self) -> Sequence[str]:
        """What does not fit among the files of the plan and its runs; a file that cannot be read is a problem, too."""
        try:
            tables = load_tables(self.store, [run.id for run in self.plan.runs])
        except StoreError as error:
            return [str(error)]
        metrics = result_metrics(plans.task_of(self.plan))
        return inconsistencies(self.store, self.plan, self.records, metrics, tables, {})

    @cached_property
    def mismatches(self) -> tuple[str, ...]:
        """What differs from the ledger."""
        return tuple(plan_mismatch(self.store, self.plan))

    @property
    def broken(self) -> list[str]:
        """Sentences about files that contradict each other or the ledger."""
        found = phrases.not_consistent(self.inconsistencies), phrases.ledger_differs(self.mismatches)
        return [text for text in found if text]

    @cached_property
    def _runs(self) -> pd.DataFrame:
        return runs_frame(self.plan, self.records)

    @cached_property
    def _levels(self) -> Levels | None:
        return levels_for(self.store, self.plan)


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
    _found: dict[Path, Findings] = field(default_factory=dict, repr=False, compare=False)  # by results folder; `replace` keeps it

    @property
    def reports(self) -> tuple[str, ...]:
        """See `Outcome`."""
        return () if self.report is None else (self.plan.name,)

    def record(self, results: Path) -> None:
        """See `Outcome`: the look that the results have reached."""
        if self.report is not None:
            found = self.findings(results)
            record_looks(found.store, self.plan, self.records, found.judgement)

    def findings(self, results: Path) -> Findings:
        """What its records lead to."""
        if results not in self._found:
            self._found[results] = Findings(Store.open(results, create=False), self.plan, self.records)
        return self._found[results]

    def requiring(self, requirement: Requirement | None, results: Path) -> PlanOutcome:
        """With the exit code of `--require`: unmet, a complete plan gets EXIT_NOT_MET; what failed or stopped keeps its code.

        With files that contradict each other it gets EXIT_RUNS_FAILED, as in `harness report`.
        """
        if requirement is None:
            return self
        if self.plan.selection is not None:  # nothing was compared
            found, not_met = Answer(requirement, ()), phrases.unmet(Answer(requirement, ()), ())
        else:
            findings = self.findings(results)
            judged, broken = findings.judgement, findings.broken
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
        found, metrics = self.findings(results), result_metrics(plans.task_of(plan))
        screen = summary.plan_results(
            plan,
            records,
            found.table,
            found.judgement,
            metrics,
            report=str(self.report),
            broken=found.broken,
            mixed=found.mixed,
        )
        return [Text(), screen]

    def document(self, results: Path) -> dict[str, Any]:
        """For --json; of a plan that only selects: its runs' states and the selection."""
        plan, records = self.plan, self.records
        if plan.selection is not None:
            return json_output.choosing(plan, records)
        found = self.findings(results)
        store, metrics = found.store, result_metrics(plans.task_of(plan))
        broken = (*found.inconsistencies, *found.mismatches)
        steps = store.records(known_steps(plan))
        document = json_output.summary(
            plan,
            records,
            found.table,
            found.judgement,
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
