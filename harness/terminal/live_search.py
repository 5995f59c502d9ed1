"""The progress of a search: its best and running trials, or one line per finished trial.

Only objectives are shown, never a metric of the test split.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from rich.console import Console
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.reporting.tables.model import Column
from harness.search.trials import Trial, counted, ranked
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric
from harness.terminal import live
from harness.terminal.dry_run import marked
from harness.terminal.live import STOPPING, Event, Progress, last_lines, pace
from harness.terminal.search_dry_run import heading
from harness.terminal.status import epoch_of
from harness.terminal.tables import STYLES, TerminalTable, printable, styled

BEST, MOST_RUNNING = 5, 8
URGENT = {"failed": "FAILED", "diverged": "DIVERGED"}


def progress(
    study: Study,
    metrics: Mapping[str, Metric],
    store: Store,
    *,
    workers: int,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress[Sequence[Trial]]:
    """The view for `console` (default: stderr); `clock` returns seconds."""
    return live.progress(SearchRows(study, metrics, store, workers=workers), console, clock)


class SearchRows:
    """The trials of a search."""

    def __init__(self, study: Study, metrics: Mapping[str, Metric], store: Store, *, workers: int) -> None:
        self.study, self.metrics, self.store, self.workers = study, metrics, store, workers
        self.trials: Sequence[Trial] = ()
        self.reported: set[int] | None = None  # finished trials already shown; None before the first update
        self._in_training: list[tuple[Trial, Record | None]] | None = None  # `_running` since the last update; None: not read yet

    def introduction(self) -> list[Text]:
        """The question; trials, workers, device and the rehearsal mark; the objective."""
        study = self.study
        what = f"{phrases.plural(study.trials, 'trial')}, {words.each(study)}, on {study.accelerator}"
        facts = f"{what}, {phrases.plural(self.workers, 'worker')}"
        return [heading(study), marked(facts, study), styled(printable(words.aims(study)))]

    def update(self, state: Sequence[Trial]) -> list[Event]:
        """A line for each finished trial."""
        self.trials, self._in_training = state, None
        if self.reported is None:
            self.reported = {trial.number for trial in state if trial.finished}
            return [Event([styled(f"{done} of {self.study.trials} done already")])] if (done := self.finished()) else []
        events = []
        for trial in sorted(state, key=lambda trial: (trial.ended or "", trial.number)):
            if trial.finished and trial.number not in self.reported:
                self.reported.add(trial.number)
                events.append(self._finished(trial))
        return events

    def finished(self) -> int:
        """The number of finished trials that count towards the target."""
        return sum(trial.finished for trial in counted(self.trials))

    def _finished(self, trial: Trial) -> Event:
        name = f"trial {trial.number}"
        if trial.state == "interrupted":
            return Event([styled(f"{name}  interrupted; its values will be tried again")])
        reported, total = self.reported or set(), self.study.trials
        done = sum(each.finished and each.number in reported for each in counted(self.trials))
        place = printable(f"[{done:>{len(str(total))}}/{total}] {name:<{len(f'trial {total}')}}  ")
        setting, took = words.values(self.study, trial.values), phrases.clock(trial.seconds)
        first, reason = trial.runs[0] if trial.runs else "", f" {trial.reason}" if trial.reason else ""
        if trial.state == "completed":
            text = f"completed  {words.objectives(self.study, trial, self.metrics)}"
            so_far = [each for each in self.trials if each.number in reported]
            best = "best so far" if ranked(self.study, so_far)[:1] == [trial] else ""
            return Event([styled(place, "  ".join(filter(None, [text, setting, took, first, best])))], urgent=False)
        if trial.state == "pruned":
            text = "  ".join(filter(None, [f"pruned{reason}", setting, took, first]))
            return Event([styled(place, printable(text))], urgent=False)
        log = self.store.paths.run(self._lost_run(trial)).log if trial.runs else None
        word = URGENT.get(trial.state, trial.state)
        text = "  ".join(filter(None, [reason, setting, "" if log is None else str(log)]))
        line = styled(place, (word, STYLES.get(word, "")), printable(text))
        lines = last_lines(log) if log is not None and trial.state == "failed" else []
        return Event([line, *lines], urgent=trial.state in URGENT)

    def _lost_run(self, trial: Trial) -> str:
        """The trial's run that failed or diverged."""
        records = self.store.records(trial.runs)
        return next((run for run in trial.runs if records[run].state in ("failed", "diverged")), trial.runs[0])

    def table(self) -> TerminalTable:
        """The best trials, then the running ones with their epoch."""
        rows = []
        for trial in ranked(self.study, self.trials)[:BEST]:
            value = words.objectives(self.study, trial, self.metrics)
            rows.append([f"trial {trial.number}", value, words.values(self.study, trial.values)])
        for trial, record in self._running():
            rows.append([f"trial {trial.number}", self._where(trial, record), words.values(self.study, trial.values)])
        objective = Column(phrases.label(self.study.metric), "right")
        return TerminalTable.of_rows(
            [Column("best, running", holds="labels"), objective, Column("setting", holds="labels")], rows
        )

    def _running(self) -> list[tuple[Trial, Record | None]]:
        """Running trials, each with the run that is being trained; None before the first one. Read once an update."""
        if self._in_training is not None:
            return self._in_training
        running = [trial for trial in self.trials if trial.state == "running"][:MOST_RUNNING]
        records = [self.store.records(trial.runs).values() for trial in running]
        self._in_training = [
            (trial, next((one for one in own if not one.finished), None)) for trial, own in zip(running, records, strict=True)
        ]
        return self._in_training

    def _where(self, trial: Trial, record: Record | None) -> str:
        if record is None:
            return "starting"
        seed = f"seed {trial.runs.index(record.id) + 1}/{len(trial.runs)} " if len(trial.runs) > 1 else ""
        return f"{seed}{epoch_of(record.epoch, phrases.epochs(self.study.base))}"

    def footer(self, elapsed: float, stop_requested: bool) -> list[str]:
        """Progress and the best trial; speed and time left."""
        own, best = counted(self.trials), ranked(self.study, self.trials)
        parts = [f"{self.finished()} of {self.study.trials} done", words.tally(own)]
        if best and len(self.study.objectives) == 1:
            value = words.measured(best[0].objectives[self.study.metric], self.metrics.get(self.study.metric))
            parts.append(f"best {value} (trial {best[0].number})")
        elif best:
            parts.append(f"{phrases.plural(len(best), 'trial')} on the front")
        summary = " · ".join(filter(None, parts))
        if stop_requested:
            return [summary, STOPPING]
        took = [trial.seconds for trial in own if trial.finished and trial.seconds]
        remaining = self.study.trials - self.finished()
        left = fmean(took) * remaining / self.workers if took and remaining > 0 else None
        records = [record for _, record in self._running() if record is not None]
        return [summary, pace(self.store.paths, records, elapsed, left)]

    def fits(self, console: Console) -> bool:
        """Whether the console has enough lines."""
        return console.height >= BEST + MOST_RUNNING + 9
