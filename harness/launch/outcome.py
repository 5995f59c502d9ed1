"""What came of a plan or a search: the command's exit code, and what the command shows and says at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from harness.analysis.look_levels import levels_for
from harness.analysis.verdicts import judgement, table
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.execution import stages
from harness.experiment import plan as plans
from harness.experiment import study as studies
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.search.trials import NEVER_MEASURED, Trial, counted, stuck
from harness.store.frames import runs_frame
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal import choices, json_output, search_summary, shell, summary
from harness.terminal.json_output import search_values

if TYPE_CHECKING:
    from harness.analysis.verdicts import Judgement, Table

GOES_ON = "interrupted; everything is kept: the same command goes on"


@dataclass(frozen=True)
class Outcome(ABC):
    """What a command that trains ends with."""

    exit_code: int
    complaints: tuple[str, ...]  # what stopped workers before they trained anything
    report: Path | None  # None: a plan's results choose what is compared, and are no evidence

    @abstractmethod
    def tables(self, results: Path) -> list[RenderableType]:
        """What a terminal shows of it."""

    @abstractmethod
    def document(self, results: Path) -> dict[str, Any]:
        """The same for programs."""

    @abstractmethod
    def notes(self, results: Path) -> list[str]:
        """What stopped workers, what is left, and the way on: lines for a person."""

    def tell(self, results: Path, as_json: bool) -> None:
        """End a command: tables, or with `as_json` one document, on stdout; the notes on stderr."""
        if as_json:
            shell.show_json(self.document(results))
        else:
            shell.show(*self.tables(results))
        for line in self.notes(results):
            shell.say(line)


@dataclass(frozen=True)
class PlanOutcome(Outcome):
    """What came of a plan: the last one that was trained, and where its runs stand."""

    plan: Plan
    records: Mapping[str, Record]

    def tables(self, results: Path) -> list[RenderableType]:
        """The table of variants and the verdicts; nothing of a plan that only chooses, or where no run has finished."""
        plan, records = self.plan, self.records
        if not finished(records) or plan.selection is not None:
            return []
        judged, table = _judged(self, results)
        metrics = result_metrics(plans.task_of(plan))
        return [Text(), summary.plan_results(plan, records, table, judged, metrics, report=str(self.report))]

    def document(self, results: Path) -> dict[str, Any]:
        """The same for programs; of a plan that only chooses, where its runs stand and what they have chosen."""
        plan, records = self.plan, self.records
        if plan.selection is not None:
            return json_output.choosing(plan, records)
        judged, table = _judged(self, results)
        told = json_output.summary(plan, records, table, judged, result_metrics(plans.task_of(plan)), str(self.report))
        store = Store.open(results, create=False)
        chooser = store.load_plan(plan.chosen.plan) if plan.chosen else None
        if chooser is None:
            return told
        return {**told, "chosen": json_output.choosing(chooser, store.records(run.id for run in chooser.runs))}

    def notes(self, results: Path) -> list[str]:
        """What stopped workers, what is left, and the way on: lines for a person."""
        plan, records = self.plan, self.records
        lines = list(self.complaints)
        if self.exit_code == EXIT_INTERRUPTED:
            elsewhere = sum(record.state == "running" for record in records.values())
            still = f"; other workers train {elsewhere} of the runs" if elsewhere else ""
            lines.append(f"{GOES_ON}{still}")
        missing = lacking(plan, records) if plan.selection is not None else ""
        if missing:
            lines.append(f"{plan.name}: {missing}; {_waits(plan)}")
        elif plan.selection is not None and self.exit_code in (EXIT_OK, EXIT_RUNS_FAILED):
            lines.append(_nothing_to_compare(plan))
        if failed := sum(record.state == "failed" for record in records.values()):
            lines.append(
                f"{failed} of {len(plan.runs)} runs failed; see: harness status {plan.name} --results {quote(str(results))}"
            )
            lines.append("after fixing the cause, the same command with --retry failed trains them again")
        return lines


@dataclass(frozen=True)
class SearchOutcome(Outcome):
    """What came of a search: its trials, and how far the confirmation went."""

    study: Study
    trials: Sequence[Trial]
    confirmation: PlanOutcome | None = None  # of the last plan that was trained; None: it has not begun, or there is none

    def tables(self, results: Path) -> list[RenderableType]:
        """The best trials, and what came of their confirmation."""
        study, trials, of_plan = self.study, self.trials, self.confirmation
        again = confirmed(Store.open(results, create=False), study) if of_plan is not None else None
        table = choices.confirmed(study, trials, again.plan, again.records, again.winner) if again is not None else None
        found = search_summary.search_results(
            study, trials, result_metrics(studies.task_of(study)), table, again.winner if again is not None else None
        )
        evidence = of_plan.tables(results) if of_plan is not None else []
        return [found, *evidence, Text(), f"search  {self.report}"]

    def document(self, results: Path) -> dict[str, Any]:
        """The same for programs."""
        of_plan = None if self.confirmation is None else self.confirmation.document(results)
        return {**search_values(self.study, self.trials), "report": str(self.report), "confirmation": of_plan}

    def notes(self, results: Path) -> list[str]:
        """What failed, what is left, and the way on: lines for a person."""
        own = counted(self.trials)
        example, failed = stuck(own), sum(trial.state == "failed" for trial in own)
        lines = [f"every trial so far failed in the same way ({example.reason}); no further one was begun"] if example else []
        if self.confirmation is not None:
            lines += self.confirmation.notes(results)
        else:
            lines += self.complaints
            lines += [GOES_ON] if self.exit_code == EXIT_INTERRUPTED else []
        if failed:
            see = f"harness status {self.study.name} --results {quote(str(results))}"
            lines.append(f"{failed} of {len(own)} trials failed; see: {see}")
            retry = "after fixing the cause, the same command with --retry failed tries them again"
            lines.append(retry if any(trial.retriable for trial in own) else NEVER_MEASURED)
        return lines


def exit_code(workers: int, *, left: bool, failed: bool) -> int:
    """A command's, of its workers' gravest and of where the work stands: whether something is left, and something failed."""
    if workers == EXIT_BAD_INPUT:
        return EXIT_BAD_INPUT
    if left and (workers == EXIT_INTERRUPTED or not failed):
        return EXIT_INTERRUPTED
    return EXIT_RUNS_FAILED if failed else EXIT_OK


def finished(records: Mapping[str, Record]) -> int:
    """How many runs have."""
    return sum(record.finished for record in records.values())


def lacking(plan: Plan, records: Mapping[str, Record]) -> str:
    """Of a plan that chooses, which runs keep it from choosing: `2 of 6 runs are still to train`; empty: none."""

    states = [records[run.id].state for run in plan.runs]
    left, failed = sum(not records[run.id].finished for run in plan.runs), states.count("failed")
    parts = [f"{left} of {phrases.plural(len(plan.runs), 'run')} still to train"] if left else []
    parts += [f"{phrases.plural(failed, 'run')} failed and must be tried again"] if failed else []
    return ", ".join(parts)


def _waits(plan: Plan) -> str:

    return "the winner's comparison with the base waits for that" if plan.confirms else "the evidence waits for that"


def _nothing_to_compare(plan: Plan) -> str:

    if plan.confirms:
        return "the winner is the base itself: there is nothing to compare it with"
    return f"{plan.name}: at their chosen settings two variants are the same; there is nothing to compare"


def _judged(outcome: PlanOutcome, results: Path) -> tuple[Judgement, Table]:
    plan, runs = outcome.plan, runs_frame(outcome.plan, outcome.records)
    levels = levels_for(Store.open(results, create=False), plan.looks)
    return judgement(plan, runs, levels), table(plan, runs, levels=levels)


@dataclass(frozen=True)
class Confirmed:
    """The best trials on fresh seeds: their plan, where its runs stand, and the trial that they chose (None: not yet)."""

    plan: Plan
    records: Mapping[str, Record]
    winner: str | None


def confirmed(store: Store, study: Study) -> Confirmed | None:
    """How the confirmation of a search's best trials stands; None before it began. Raises StoreError."""

    plan = store.load_plan(stage_name(study.name, "top"))
    if plan is None:
        return None
    records = store.records([run.id for run in plan.runs])
    return Confirmed(plan, records, choices.winner_of(stages.choices(plan, records)))
