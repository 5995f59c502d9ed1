"""Where a search and its trials stand: a row of the table of all, and the search by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.reporting.tables.model import Column
from harness.reporting.tables.trials import best_trials
from harness.search.trials import Trial, counted, ranked
from harness.store.paths import Paths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal.json_output import search_values
from harness.terminal.search_dry_run import heading
from harness.terminal.status import StatusRow, epoch_of, holder
from harness.terminal.tables import WARNING, TerminalTable, printable, styled


@dataclass(frozen=True)
class SearchStatus:
    """A search; its trials (None: they cannot be read here, and `why`); the seconds since a file of it changed; its metrics.

    `records`: where the runs of the trials that are under way or failed stand, by run id.
    """

    study: Study
    trials: Sequence[Trial] | None
    updated: float | None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    why: str = ""

    @property
    def own(self) -> list[Trial]:
        """The trials that count towards the target."""
        return counted(self.trials or ())

    def number(self, *states: str) -> int:
        """How many of them are in one of these states."""
        return sum(trial.state in states for trial in self.own)

    @property
    def over(self) -> int:
        """How many of them are over."""
        return sum(trial.finished for trial in self.own)


def row(standing: SearchStatus) -> StatusRow:
    """A search's line in the table of all plans and searches: its trials, and the best so far in place of verdicts."""
    study = standing.study
    if standing.trials is None:
        return StatusRow(study.family, "search", study.name, f"?/{study.trials}", 0, 0, 0, 0, standing.why, standing.updated)
    waiting = max(0, study.trials - len(standing.own))
    numbers = (standing.number("running"), waiting, standing.number("failed"), standing.number("diverged"))
    done = f"{standing.over}/{study.trials}"
    return StatusRow(study.family, "search", study.name, done, *numbers, best(standing), standing.updated)


def best(standing: SearchStatus) -> str:
    """The best so far, where a plan's row has its verdicts: `best 84.20 % (trial 7)`."""
    if standing.trials is None:
        return standing.why
    found = ranked(standing.study, standing.trials)
    if not found:
        return phrases.NOTHING
    if len(standing.study.objectives) > 1:
        return f"{phrases.plural(len(found), 'trial')} on the front"
    value = found[0].objectives[standing.study.metric]
    return f"best {words.measured(value, standing.metrics.get(standing.study.metric))} (trial {found[0].number})"


def one_search(standing: SearchStatus, table: RenderableType, paths: Paths, confirmation: TerminalTable | None) -> RenderableType:
    """One search: its line in `table`, how trials ended, the best, every trial that is under way or failed, and what to do."""
    study = standing.study
    lines: list[RenderableType] = [heading(study)]
    marker = phrases.rehearsal(study)
    lines += [styled((printable(marker), WARNING))] if marker else []
    lines += [Text(), table]
    if standing.trials is None:
        return Group(*lines)
    if tally := words.tally(standing.own):
        lines += [Text(), styled(f"trials   {tally}")]
    if standing.metrics and ranked(study, standing.trials):
        lines += [Text(), TerminalTable(best_trials(study, standing.trials, standing.metrics))]
    if rows := [_row(standing, trial, paths) for state in ("running", "interrupted", "failed") for trial in _in(standing, state)]:
        columns = [
            Column("state", holds="states"),
            Column("trial"),
            Column("where"),
            Column("more"),
            Column("setting", holds="labels"),
        ]
        lines += [Text(), TerminalTable.of_rows(columns, rows, indent=0)]
    if any(trial.retriable for trial in _in(standing, "failed")):
        lines += [Text(), styled(printable(f"again: {phrases.command(study, paths.root)} --retry failed"))]
    if confirmation is not None:
        lines += [Text(), confirmation]
    report = paths.report(study.name) / "index.html"
    lines += [Text(), styled(f"report  {report}" if report.is_file() else "report  none yet")]
    return Group(*lines)


def document(standing: SearchStatus) -> dict[str, Any]:
    """A search as JSON; `trials` is null where they cannot be read here."""
    told = search_values(standing.study, standing.trials or ())
    under_way = {trial.number: _record(standing, trial) for trial in _in(standing, "running")}
    return {
        **told,
        "trials": None if standing.trials is None else told["trials"],
        "why": standing.why or None,
        "running": [
            {
                "trial": number,
                "run": record.id if record else None,
                "epoch": record.epoch if record else 0,
                "holder": holder(record) if record else None,
                "beat_age_s": record.beat_age_s if record else None,
            }
            for number, record in under_way.items()
        ],
    }


def _in(standing: SearchStatus, state: str) -> list[Trial]:
    """Its trials in a state; of the interrupted ones those that nobody goes on with yet."""
    trials = standing.trials or ()
    followed = {trial.follows for trial in trials}
    return [trial for trial in trials if trial.state == state and trial.number not in followed]


def _record(standing: SearchStatus, trial: Trial) -> Record | None:
    """Where the run of the trial stands that is under way, or that failed; None before there is one."""
    found = [standing.records[run] for run in trial.runs if run in standing.records]
    wanted = [record for record in found if record.state in ("running", "interrupted", "failed")]
    return wanted[0] if wanted else None


def _row(standing: SearchStatus, trial: Trial, paths: Paths) -> list[str]:
    record = _record(standing, trial)
    length = phrases.epochs(standing.study.base)
    place = epoch_of(record.epoch, length) if record else "begins"
    more = ""
    if trial.state == "failed":
        place = f"{record.reason} at {place}" if record and record.reason else (trial.reason or "failed")
        more = str(paths.run(record.id).log) if record else ""
    elif trial.state == "interrupted":
        more = "goes on when it is run again"
    elif record is not None:
        beat = "" if record.beat_age_s is None else f"beat {phrases.ago(record.beat_age_s)}"
        more = "   ".join(filter(None, [holder(record), beat]))
    return [trial.state, f"trial {trial.number}", place, more, words.values(standing.study, trial.values)]
