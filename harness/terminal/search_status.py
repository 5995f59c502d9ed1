"""The status of a search: its row in the overview, and its own screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.reporting.phrases.nothing_found import NOTHING_FOUND, examples, happened, remedies
from harness.reporting.tables.model import Column
from harness.reporting.tables.trials import best_trials
from harness.search.nothing_found import NothingFound
from harness.search.trials import Trial, counted, ranked
from harness.store.atomic import is_file
from harness.store.paths import Paths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal.json_output import search_values
from harness.terminal.search_dry_run import heading
from harness.terminal.status import RESUMES, StatusRow, holder, place_cells
from harness.terminal.tables import WARNING, Line, TerminalTable, styled, with_units
from harness.terminal.wrapping import printable


@dataclass(frozen=True)
class SearchStatus:
    """A search and its trials (None: not readable here, for the reason `why`).

    `updated`: seconds since one of its files changed; `records`: the runs of running, interrupted and failed trials.
    """

    study: Study
    trials: Sequence[Trial] | None
    updated: float | None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    why: str = ""
    nothing: NothingFound | None = None  # the search is over, and no trial completed

    @property
    def own(self) -> list[Trial]:
        """The trials that count towards the target."""
        return counted(self.trials or ())

    def number(self, *states: str) -> int:
        """The number of these trials in one of the states."""
        return sum(trial.state in states for trial in self.own)

    @property
    def finished(self) -> int:
        """The number of finished ones."""
        return sum(trial.finished for trial in self.own)


def row(status: SearchStatus) -> StatusRow:
    """A search's row in the overview: counts of trials, and the best so far instead of verdicts."""
    study = status.study
    if status.trials is None:
        return StatusRow(study.family, "search", study.name, f"?/{study.trials}", 0, 0, 0, 0, status.why, status.updated)
    waiting = max(0, study.trials - len(status.own))
    numbers = (status.number("running"), waiting, status.number("failed"), status.number("diverged"))
    done = f"{status.finished}/{study.trials}"
    return StatusRow(study.family, "search", study.name, done, *numbers, best(status), status.updated)


def best(status: SearchStatus) -> str:
    """The best trial so far: `best 84.20 % (trial 7)`."""
    if status.trials is None:
        return status.why
    found = ranked(status.study, status.trials)
    if not found:
        return phrases.NOTHING if status.nothing is None else NOTHING_FOUND
    if len(status.study.objectives) > 1:
        return f"{phrases.plural(len(found), 'trial')} on the front"
    value = found[0].objectives[status.study.metric]
    return f"best {words.measured(value, status.metrics.get(status.study.metric))} (trial {found[0].number})"


def one_search(status: SearchStatus, table: RenderableType, paths: Paths, confirmation: TerminalTable | None) -> RenderableType:
    """One search: its `table`, the counts, the best trials, those running, interrupted or failed, and the command to retry."""
    study = status.study
    lines: list[RenderableType] = [*map(Line, heading(study))]
    marker = phrases.rehearsal(study)
    lines += [Line.of(marker, WARNING)] if marker else []
    lines += [Text(), table]
    if status.trials is None:
        return Group(*lines)
    if tally := words.tally(status.own):
        lines += [Text(), Line.of(f"trials   {tally}", hang=9)]
    if status.metrics and ranked(study, status.trials):
        lines += [Text(), *with_units(TerminalTable(best_trials(study, status.trials, status.metrics)))]
    if rows := [_row(status, trial, paths) for state in ("running", "interrupted", "failed") for trial in _in(status, state)]:
        columns = [
            Column("state", holds="states"),
            Column("trial"),
            Column("where"),
            Column("more"),
            Column("setting", holds="labels"),
        ]
        lines += [Text(), TerminalTable.of_rows(columns, rows, indent=0)]
    if status.nothing is not None:
        told = [f"{NOTHING_FOUND.upper()}: {happened(status.nothing)}", *examples(status.nothing)]
        lines += [Text(), styled((printable(told[0]), WARNING)), *(styled(printable(line)) for line in told[1:])]
        lines += [styled(printable(line)) for line in remedies(status.nothing, paths.root)]
    elif any(trial.retriable for trial in _in(status, "failed")):
        lines += [Text(), styled(printable(f"retry: {phrases.command(study, paths.root)} --retry failed"))]
    if confirmation is not None:
        lines += [Text(), *with_units(confirmation)]
    report = paths.report(study.name) / "index.html"
    lines += [Text(), styled(f"report  {report}" if is_file(report) else "report  none yet")]
    return Group(*lines)


def document(status: SearchStatus) -> dict[str, Any]:
    """The `--json` document; `trials` is null if they cannot be read here."""
    values = search_values(status.study, status.trials or (), status.nothing)
    running = {trial.number: _record(status, trial) for trial in _in(status, "running")}
    return {
        **values,
        "trials": None if status.trials is None else values["trials"],
        "why": status.why or None,
        "running": [
            {
                "trial": number,
                "run": record.id if record else None,
                "epoch": record.epoch if record else 0,
                "holder": holder(record) if record else None,
                "beat_age_s": record.beat_age_s if record else None,
            }
            for number, record in running.items()
        ],
    }


def _in(status: SearchStatus, state: str) -> list[Trial]:
    """Its trials in a state, without interrupted ones that a later trial resumes."""
    trials = status.trials or ()
    resumed = {trial.follows for trial in trials}
    return [trial for trial in trials if trial.state == state and trial.number not in resumed]


def _record(status: SearchStatus, trial: Trial) -> Record | None:
    """The trial's running, interrupted or failed run; None before the first one."""
    found = [status.records[run] for run in trial.runs if run in status.records]
    wanted = [record for record in found if record.state in ("running", "interrupted", "failed")]
    return wanted[0] if wanted else None


def _row(status: SearchStatus, trial: Trial, paths: Paths) -> list[str]:
    record = _record(status, trial)
    if record is not None:
        cells = place_cells(trial.state, record, phrases.epochs(status.study.base), paths.run(record.id).log)
    elif trial.state == "failed":
        cells = [trial.reason or "failed", ""]
    else:
        cells = ["starting", RESUMES if trial.state == "interrupted" else ""]
    return [trial.state, f"trial {trial.number}", *cells, words.values(status.study, trial.values)]
