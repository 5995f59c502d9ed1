"""A search's trials -> progress while they train: a table on a terminal that it fits, a line an ending elsewhere.

with progress(study, metrics, store, workers=2) as shown:
    shown.update(broker.trials())        every half second or so
    shown.stopping()                   once somebody has asked to stop

Only what the search may see is shown: its objectives, never a metric of the test split.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.text import Text

from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases import trials as words
from harness.search.trials import Trial, counted, ranked
from harness.store.records import Record, Store, rows_so_far
from harness.tasks.protocol import Metric
from harness.terminal.dry_run import marked
from harness.terminal.live import STOPPING, last_lines
from harness.terminal.searches.dry_run import title
from harness.terminal.shell import console as make_console
from harness.terminal.status import epoch_of
from harness.terminal.tables import INDENT, STYLES, Column, Grid, printable, styled

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
) -> SearchProgress:
    """The view that fits the terminal behind `console` (stderr by default); `clock` returns seconds."""
    console = console or make_console(sys.stderr)
    fits = console.is_terminal and console.height >= BEST + MOST_RUNNING + 9
    made = SearchLive if fits else SearchProgress
    return made(study, metrics, store, workers=workers, console=console, clock=clock)


class SearchProgress:
    """One plain line an ended trial; a failed one with its reason, its log and the log's last lines."""

    def __init__(
        self,
        study: Study,
        metrics: Mapping[str, Metric],
        store: Store,
        *,
        workers: int,
        console: Console,
        clock: Callable[[], float],
    ) -> None:
        self.study, self.metrics, self.store = study, metrics, store
        self.workers, self.console, self.clock = workers, console, clock
        self.trials: Sequence[Trial] = ()
        self.told: set[int] | None = None  # trials whose ending was told, or that had ended before; None: nothing is known yet
        self.began = clock()
        self.stops = False

    def __enter__(self) -> SearchProgress:
        self._print(*self.introduction())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def update(self, trials: Sequence[Trial]) -> None:
        """Show what has changed since the last call; the first call only learns where things stand."""
        self.trials = trials
        if self.told is None:
            self.told = {trial.number for trial in trials if trial.over}
            if ended := self.ended():
                self._print(styled(f"{ended} of {self.study.trials} done already"))
            return
        for trial in sorted(trials, key=lambda trial: (trial.ended or "", trial.number)):
            if trial.over and trial.number not in self.told:
                self.told.add(trial.number)
                self._announce(trial)

    def stopping(self) -> None:
        """Say, once, that the workers have been asked to stop."""
        if not self.stops:
            self.stops = True
            self._tell_stopping()

    def introduction(self) -> list[Text]:
        """The lines above everything: the question; the trials, workers, device and whether this is a rehearsal."""
        study = self.study
        what = f"{phrases.plural(study.trials, 'trial')}, {words.each(study)}, on {study.accelerator}"
        facts = f"{what}, {phrases.plural(self.workers, 'worker')}"
        return [title(study), marked(facts, study), styled(printable(words.aims(study)))]

    def ended(self) -> int:
        """How many trials of the target are over."""
        return sum(trial.over for trial in counted(self.trials))

    def _tell_stopping(self) -> None:
        self._print(styled(STOPPING))

    def _announce(self, trial: Trial) -> None:
        self._print(self._line(trial))
        if trial.state == "failed":
            self._print(*(styled(f"    {printable(line)}") for line in last_lines(self.store.paths.run(self._failed(trial)).log)))

    def _line(self, trial: Trial) -> Text:
        name = f"trial {trial.number}"
        if trial.state == "interrupted":
            return styled(f"{name}  interrupted; its values are tried again")
        place = f"[{self._told()}/{self.study.trials}] {name:<{len(f'trial {self.study.trials}')}}  "
        setting, time = words.values(self.study, trial.values), phrases.clock(trial.seconds)
        first = trial.runs[0] if trial.runs else ""
        if trial.state == "completed":
            said = f"completed  {words.objectives(self.study, trial, self.metrics)}"
            so_far = [each for each in self.trials if each.number in (self.told or ())]
            best = "best so far" if ranked(self.study, so_far)[:1] == [trial] else ""
            return styled(printable(place), "  ".join(filter(None, [said, setting, time, first, best])))
        if trial.state == "pruned":
            reason = f" {trial.reason}" if trial.reason else ""
            return styled(printable(place), printable("  ".join(filter(None, [f"pruned{reason}", setting, time, first]))))
        word = LOUD.get(trial.state, trial.state)
        reason = f" {trial.reason}" if trial.reason else ""
        log = str(self.store.paths.run(self._failed(trial)).log) if trial.runs else ""
        return styled(printable(place), (word, STYLES.get(word, "")), printable("  ".join(filter(None, [reason, setting, log]))))

    def _told(self) -> int:
        """How many trials of the target are known to be over."""
        own = {each.number for each in counted(self.trials) if each.over}
        return len(own & (self.told or set()))

    def _failed(self, trial: Trial) -> str:
        """The trial's run that failed or diverged: the last that has anything."""
        records = self.store.records(trial.runs)
        return next((run for run in trial.runs if records[run].state in ("failed", "diverged")), trial.runs[0])

    def _print(self, *lines: RenderableType) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


class SearchLive(SearchProgress):
    """A table of the best trials and of those that are running; failures are also told in full, above it."""

    def __enter__(self) -> SearchLive:
        self.live = RichLive(console=self.console, auto_refresh=False, get_renderable=self.frame, vertical_overflow="ellipsis")
        self.live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def update(self, trials: Sequence[Trial]) -> None:
        super().update(trials)
        self.live.refresh()

    def _announce(self, trial: Trial) -> None:
        if trial.state in LOUD or trial.state == "interrupted":
            super()._announce(trial)

    def _tell_stopping(self) -> None:
        self.live.refresh()

    def frame(self) -> RenderableType:
        """The whole view, as of the last update."""
        running = [trial for trial in self.trials if trial.state == "running"]
        records = {trial.number: self._record(trial) for trial in running[:MOST_RUNNING]}
        above = self.introduction()
        below = [styled(" " * INDENT, line) for line in (self.standing(), self.footer(records))]
        for line in (*above, *below):
            line.overflow = "ellipsis"  # a line that ran on would move the table
        return Group(*above, Text(), self.table(running[:MOST_RUNNING], records), Text(), *below)

    def table(self, running: Sequence[Trial], records: Mapping[int, Record | None]) -> Grid:
        """The best trials, and below them those that are running with where they stand."""
        rows = []
        for trial in ranked(self.study, self.trials)[:BEST]:
            value = words.objectives(self.study, trial, self.metrics)
            rows.append([f"trial {trial.number}", value, words.values(self.study, trial.values)])
        for trial in running:
            rows.append(
                [f"trial {trial.number}", self._where(trial, records[trial.number]), words.values(self.study, trial.values)]
            )
        heading = phrases.label(self.study.metric)
        return Grid([Column("best, running", holds="labels"), Column(heading, "right"), Column("setting", holds="labels")], rows)

    def standing(self) -> str:
        """How far it is, how trials ended, and the best so far."""
        own = counted(self.trials)
        parts = [f"{self.ended()} of {self.study.trials} done", words.tally(own)]
        best = ranked(self.study, self.trials)
        if best and len(self.study.objectives) == 1:
            value = words.measured(best[0].objectives[self.study.metric], self.metrics.get(self.study.metric))
            parts.append(f"best {value} (trial {best[0].number})")
        elif best:
            parts.append(f"{phrases.plural(len(best), 'trial')} on the front")
        return " · ".join(filter(None, parts))

    def footer(self, records: Mapping[int, Record | None]) -> str:
        """How fast it is, and how long it takes still."""
        if self.stops:
            return STOPPING
        speeds = [speed for record in records.values() if record is not None and (speed := self._speed(record)) is not None]
        parts = [f"{phrases.count(sum(speeds))} samples/s"] if speeds else []
        parts.append(f"{phrases.clock(self.clock() - self.began)} elapsed")
        took = [trial.seconds for trial in counted(self.trials) if trial.over and trial.seconds]
        left = self.study.trials - self.ended()
        if took and left > 0:
            parts.append(f"{phrases.clock(fmean(took) * left / self.workers)} left")
        return " · ".join([*parts, "Ctrl-C keeps everything"])

    def _record(self, trial: Trial) -> Record | None:
        """Where the run of the trial stands that is trained now; None before there is one."""
        records = self.store.records(trial.runs).values()
        return next((record for record in records if not record.ended), None)

    def _where(self, trial: Trial, record: Record | None) -> str:
        if record is None:
            return "begins"
        length = phrases.epochs(self.study.base)
        seed = f"seed {trial.runs.index(record.id) + 1}/{len(trial.runs)} " if len(trial.runs) > 1 else ""
        return f"{seed}{epoch_of(record.epoch, length)}"

    def _speed(self, record: Record) -> float | None:
        rows = rows_so_far(self.store.paths.run(record.id), record)
        speed = rows[-1].get("samples_per_second") if rows else None
        return float(speed) if isinstance(speed, int | float) else None
