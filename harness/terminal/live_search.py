"""The trials of a search while they train: the best and those that are running, or a line for each that has finished.

Only what the search may see is shown: its objectives, never a metric of the test split.
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
from harness.terminal.live import STOPPING, News, Progress, last_lines, pace
from harness.terminal.search_dry_run import heading
from harness.terminal.status import epoch_of
from harness.terminal.tables import STYLES, TerminalTable, printable, styled

BEST, MOST_RUNNING = 5, 8
LOUD = {"failed": "FAILED", "diverged": "DIVERGED"}


def progress(
    study: Study,
    metrics: Mapping[str, Metric],
    store: Store,
    *,
    workers: int,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress[Sequence[Trial]]:
    """The view that fits the terminal behind `console` (stderr by default); `clock` returns seconds."""
    return live.progress(SearchRows(study, metrics, store, workers=workers), console, clock)


class SearchRows:
    """Where the trials of a search stand."""

    def __init__(self, study: Study, metrics: Mapping[str, Metric], store: Store, *, workers: int) -> None:
        self.study, self.metrics, self.store, self.workers = study, metrics, store, workers
        self.trials: Sequence[Trial] = ()
        self.told: set[int] | None = None  # trials whose end was told, or that had ended before; None: nothing is known yet

    def introduction(self) -> list[Text]:
        """The question; the trials, workers, device and whether this is a rehearsal; the objective."""
        study = self.study
        what = f"{phrases.plural(study.trials, 'trial')}, {words.each(study)}, on {study.accelerator}"
        facts = f"{what}, {phrases.plural(self.workers, 'worker')}"
        return [heading(study), marked(facts, study), styled(printable(words.aims(study)))]

    def update(self, state: Sequence[Trial]) -> list[News]:
        """A line for each trial that is over."""
        self.trials = state
        if self.told is None:
            self.told = {trial.number for trial in state if trial.over}
            return [News([styled(f"{ended} of {self.study.trials} done already")])] if (ended := self.ended()) else []
        news = []
        for trial in sorted(state, key=lambda trial: (trial.ended or "", trial.number)):
            if trial.over and trial.number not in self.told:
                self.told.add(trial.number)
                news.append(self._finished(trial))
        return news

    def ended(self) -> int:
        """How many trials of the target are over."""
        return sum(trial.over for trial in counted(self.trials))

    def _finished(self, trial: Trial) -> News:
        name = f"trial {trial.number}"
        if trial.state == "interrupted":
            return News([styled(f"{name}  interrupted; its values are tried again")])
        told = self.told or set()
        known = sum(each.over and each.number in told for each in counted(self.trials))
        place = printable(f"[{known}/{self.study.trials}] {name:<{len(f'trial {self.study.trials}')}}  ")
        setting, took = words.values(self.study, trial.values), phrases.clock(trial.seconds)
        first, reason = trial.runs[0] if trial.runs else "", f" {trial.reason}" if trial.reason else ""
        if trial.state == "completed":
            said = f"completed  {words.objectives(self.study, trial, self.metrics)}"
            so_far = [each for each in self.trials if each.number in told]
            best = "best so far" if ranked(self.study, so_far)[:1] == [trial] else ""
            return News([styled(place, "  ".join(filter(None, [said, setting, took, first, best])))], urgent=False)
        if trial.state == "pruned":
            said = "  ".join(filter(None, [f"pruned{reason}", setting, took, first]))
            return News([styled(place, printable(said))], urgent=False)
        log = self.store.paths.run(self._lost_run(trial)).log if trial.runs else None
        word = LOUD.get(trial.state, trial.state)
        said = "  ".join(filter(None, [reason, setting, "" if log is None else str(log)]))
        line = styled(place, (word, STYLES.get(word, "")), printable(said))
        lines = last_lines(log) if log is not None and trial.state == "failed" else []
        return News([line, *lines], urgent=trial.state in LOUD)

    def _lost_run(self, trial: Trial) -> str:
        """The trial's run that failed or diverged."""
        records = self.store.records(trial.runs)
        return next((run for run in trial.runs if records[run].state in ("failed", "diverged")), trial.runs[0])

    def table(self) -> TerminalTable:
        """The best trials, and below them those that are running with where they stand."""
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
        """Trials that are running, each with the run of it that is trained now; None before there is one."""
        running = [trial for trial in self.trials if trial.state == "running"][:MOST_RUNNING]
        records = [self.store.records(trial.runs).values() for trial in running]
        return [
            (trial, next((one for one in own if not one.finished), None)) for trial, own in zip(running, records, strict=True)
        ]

    def _where(self, trial: Trial, record: Record | None) -> str:
        if record is None:
            return "begins"
        seed = f"seed {trial.runs.index(record.id) + 1}/{len(trial.runs)} " if len(trial.runs) > 1 else ""
        return f"{seed}{epoch_of(record.epoch, phrases.epochs(self.study.base))}"

    def footer(self, elapsed: float, stops: bool) -> list[str]:
        """How far it is and the best so far; how fast, and how long it takes still."""
        own, best = counted(self.trials), ranked(self.study, self.trials)
        parts = [f"{self.ended()} of {self.study.trials} done", words.tally(own)]
        if best and len(self.study.objectives) == 1:
            value = words.measured(best[0].objectives[self.study.metric], self.metrics.get(self.study.metric))
            parts.append(f"best {value} (trial {best[0].number})")
        elif best:
            parts.append(f"{phrases.plural(len(best), 'trial')} on the front")
        standing = " · ".join(filter(None, parts))
        if stops:
            return [standing, STOPPING]
        took = [trial.seconds for trial in own if trial.over and trial.seconds]
        missing = self.study.trials - self.ended()
        left = fmean(took) * missing / self.workers if took and missing > 0 else None
        records = [record for _, record in self._running() if record is not None]
        return [standing, pace(self.store.paths, records, elapsed, left)]

    def fits(self, console: Console) -> bool:
        """Whether the console is high enough."""
        return console.height >= BEST + MOST_RUNNING + 9
