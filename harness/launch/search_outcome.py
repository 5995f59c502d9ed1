"""The result of a search: the command's exit code, and what it prints at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from harness.errors import EXIT_INTERRUPTED
from harness.execution import stages
from harness.experiment import study as studies
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.launch.outcome import RESUME_HINT, Outcome, PlanOutcome
from harness.reporting.phrases.nothing_found import examples, remedies
from harness.search.nothing_found import NothingFound, nothing_found
from harness.search.trials import NEVER_MEASURED, Trial, common_failure, counted
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal import choices, search_summary
from harness.terminal.json_output import search_values


@dataclass(frozen=True)
class SearchOutcome(Outcome):
    """The result of a search: its trials and their confirmation."""

    study: Study
    trials: Sequence[Trial]
    confirmation: PlanOutcome | None = None  # of the last plan that was trained; None: not started, or not requested

    @property
    def reports(self) -> tuple[str, ...]:
        """See `Outcome`: the search's, and before it that of its comparison, to which it links."""
        return (*(self.confirmation.reports if self.confirmation is not None else ()), self.study.name)

    def record(self, results: Path) -> None:
        """See `Outcome`."""
        if self.confirmation is not None:
            self.confirmation.record(results)

    def tables(self, results: Path) -> list[RenderableType]:
        """The best trials and their confirmation."""
        study, trials, confirmation = self.study, self.trials, self.confirmation
        again = confirmed(Store.open(results, create=False), study) if confirmation is not None else None
        table = choices.confirmed(study, trials, again.plan, again.records, again.winner) if again is not None else None
        metrics, nothing = result_metrics(studies.task_of(study)), self._nothing(results)
        found = search_summary.search_results(
            study, trials, metrics, table, again.winner if again is not None else None, nothing=nothing
        )
        evidence = confirmation.tables(results) if confirmation is not None else []
        return [found, *evidence, Text(), f"search  {self.report}"]

    def document(self, results: Path) -> dict[str, Any]:
        """For --json."""
        confirmation = None if self.confirmation is None else self.confirmation.document(results)
        values = search_values(self.study, self.trials, self._nothing(results))
        return {**values, "report": str(self.report), "confirmation": confirmation}

    def notes(self, results: Path) -> list[str]:
        """Lines for people: what failed, what remains, and what to do."""
        own = counted(self.trials)
        example, failed = common_failure(own), sum(trial.state == "failed" for trial in own)
        lines = (
            [f"all trials so far failed with the same error ({example.reason}); no further trials were started"]
            if example
            else []
        )
        if self.confirmation is not None:
            lines += self.confirmation.notes(results)
        else:
            lines += self.errors
            lines += [RESUME_HINT] if self.exit_code == EXIT_INTERRUPTED else []
        if (nothing := self._nothing(results)) is not None:
            return [*lines, *examples(nothing), *remedies(nothing, results)]
        if failed:
            see = f"harness status {self.study.name} --results {quote(str(results))}"
            lines.append(f"{failed} of {len(own)} trials failed; see: {see}")
            retry = "after fixing the cause, run the same command with --retry failed"
            lines.append(retry if any(trial.retriable for trial in own) else NEVER_MEASURED)
        return lines

    def _nothing(self, results: Path) -> NothingFound | None:
        return nothing_found(Store.open(results, create=False), self.study, self.trials)


@dataclass(frozen=True)
class Confirmed:
    """The plan of the best trials on fresh seeds, its records, and the winning trial (None: not yet)."""

    plan: Plan
    records: Mapping[str, Record]
    winner: str | None


def confirmed(store: Store, study: Study) -> Confirmed | None:
    """The confirmation of a search's best trials; None before it has started. Raises StoreError."""
    plan = store.load_plan(stage_name(study.name, "top"))
    if plan is None:
        return None
    records = store.records([run.id for run in plan.runs])
    return Confirmed(plan, records, choices.winner_of(stages.choices(plan, records)))
