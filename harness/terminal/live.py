"""Plan, records -> progress while runs train: a table on a terminal that it fits, a line an ending elsewhere.

with progress(plan, metric name, metric, paths, workers=2, device="cpu") as shown:
    shown.update(store.records(ids))        every half second or so
    shown.stopping()                        once somebody has asked to stop
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.text import Text

from harness.execution.schedule import Course, in_stages
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.store.paths import Paths
from harness.store.records import Record, rows_so_far
from harness.tasks.protocol import Metric
from harness.terminal.dry_run import heading, marked, starred
from harness.terminal.shell import console as make_console
from harness.terminal.status import epoch_of
from harness.terminal.tables import INDENT, STYLES, Column, Grid, printable, styled

MOST_VARIANTS = 12
MOST_SEEDS = 20
LOG_LINES = 5
STATES = {"interrupted": "stopped", "failed": "FAILED", "diverged": "DIVERGED"}
STOPPING = "stopping: finishing the step, writing checkpoints"


def progress(
    plan: Plan,
    name: str,
    metric: Metric,
    paths: Paths,
    *,
    workers: int,
    device: str,
    console: Console | None = None,
    course: Course | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """The view that fits the terminal behind `console` (stderr by default) and the size of the plan.

    `name` and `metric` are what the cells show; `course` says how far the looks go; `clock` returns seconds.
    """
    console = console or make_console(sys.stderr)
    live = Live(plan, name, metric, paths, workers=workers, device=device, console=console, clock=clock, course=course)
    if console.is_terminal and live.fits():
        return live
    return Progress(plan, name, metric, paths, workers=workers, device=device, console=console, clock=clock, course=course)


class Progress:
    """One plain line an ending; a failed run with its reason, its log and the log's last lines."""

    def __init__(
        self,
        plan: Plan,
        name: str,
        metric: Metric,
        paths: Paths,
        *,
        workers: int,
        device: str,
        console: Console,
        clock: Callable[[], float],
        course: Course | None = None,
    ) -> None:
        self.plan, self.name, self.metric, self.paths = plan, name, metric, paths
        self.course = course or Course(plan)
        self.workers, self.device, self.console, self.clock = workers, device, console, clock
        self.known: Mapping[str, Record] | None = None
        self.asked: Sequence[PlannedRun] = self.plan.runs  # by the looks so far
        self.began = clock()
        self.trained_before = 0.0
        self.stops = False

    def __enter__(self) -> Progress:
        self._print(*self.introduction())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def update(self, records: Mapping[str, Record]) -> None:
        """Show what has changed since the last call; the first call only learns where things stand."""
        before, self.known = self.known, records
        asked_before, self.asked = self.asked, self.course.asked(records)
        ended = sum((before or records)[run.id].ended for run in self.asked)
        if before is None:
            self.trained_before = trained(self.plan, records)
            if ended:
                self._print(styled(f"{ended} of {len(self.asked)} done already"))
            return
        for run in self.asked:
            if not before[run.id].ended and records[run.id].ended:
                ended += 1
                self._announce(ended, run, records[run.id])
        if len(self.asked) > len(asked_before):
            self._print(styled(f"a claim is still open at {seeds(asked_before)} seeds: going on to {seeds(self.asked)}"))

    def stopping(self) -> None:
        """Say, once, that the workers have been asked to stop."""
        if not self.stops:
            self.stops = True
            self._tell_stopping()

    def introduction(self) -> list[Text]:
        """The lines above everything: the question; the runs, workers, device and whether this is a rehearsal."""
        up_to = "up to " if in_stages(self.plan) else ""
        count = f"{up_to}{phrases.plural(len(self.plan.runs), 'run')} on {self.device}, {phrases.plural(self.workers, 'worker')}"
        stage = phrases.stage(self.plan)
        return [*heading(self.plan), marked(" · ".join(filter(None, [stage, count])), self.plan)]

    def _tell_stopping(self) -> None:
        self._print(styled(STOPPING))

    def _announce(self, ended: int, run: PlannedRun, record: Record) -> None:
        widest = max(map(len, self.plan.variants))
        place = f"[{ended}/{len(self.asked)}] {run.variant:<{widest}}  seed {run.seed}  "
        self._print(styled(printable(place), *self._outcome(record)))
        if record.state == "failed":
            self._print(*(styled(f"    {printable(line)}") for line in last_lines(self.paths.run(run.id).log)))

    def _outcome(self, record: Record) -> list[str | tuple[str, str]]:
        time = "" if record.seconds is None else phrases.clock(record.seconds)
        log = str(self.paths.run(record.id).log)
        if record.state == "completed":
            value = live_value(record.metrics.get(self.name), self.metric)
            return ["  ".join(filter(None, ["completed", f"{value} {self.metric.unit}".rstrip(), time, record.id]))]
        # The lines of a failure stand above a person's next command: the word, why, when, and where to look.
        word = STATES[record.state]
        reason = f" {record.reason}" if record.reason and record.state == "failed" else ""
        return [(word, STYLES[word]), printable(f"{reason} at epoch {record.epoch}  {log}")]

    def _print(self, *lines: RenderableType) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


class Live(Progress):
    """A table with a cell a run that fills in; failures are also told in full, above it."""

    def __enter__(self) -> Live:
        self.live = RichLive(console=self.console, auto_refresh=False, get_renderable=self.frame, vertical_overflow="ellipsis")
        self.live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def update(self, records: Mapping[str, Record]) -> None:
        super().update(records)
        self.live.refresh()

    def _announce(self, ended: int, run: PlannedRun, record: Record) -> None:
        if record.state != "completed":
            super()._announce(ended, run, record)

    def frame(self) -> RenderableType:
        """The whole view, as of the last update."""
        table = cells(self.plan, self.known or {}, self.name, self.metric, self.asked)
        above, below = self.introduction(), styled(" " * INDENT, self.footer())
        for line in (*above, below):
            line.overflow = "ellipsis"  # a line that ran on would move the table
        return Group(*above, Text(), table, Text(), below)

    def fits(self) -> bool:
        """Whether the plan is small enough to watch, and the console has room for all of it, whatever becomes of the runs."""
        if len(self.plan.variants) > MOST_VARIANTS or phrases.seeds(self.plan) > MOST_SEEDS:
            return False
        widest = {run.id: Record(run.id, "diverged") for run in self.plan.runs}
        height = len(self.introduction()) + 1 + (1 + len(self.plan.variants)) + 2
        return height <= self.console.height and cells(self.plan, widest, self.name, self.metric).fits(self.console.width)

    def _tell_stopping(self) -> None:
        self.live.refresh()

    def footer(self) -> str:
        """How far it is, how fast, and how long it takes still."""
        records = self.known or {}
        elapsed = self.clock() - self.began
        ended = sum(records[run.id].ended for run in self.asked if run.id in records)
        parts = [f"{ended} of {len(self.asked)} done"]
        if self.stops:
            return " · ".join([*parts, STOPPING])
        speeds = [
            speed for record in records.values() if record.state == "running" and (speed := self._speed(record)) is not None
        ]
        parts += [f"{phrases.count(sum(speeds))} samples/s"] if speeds else []
        parts.append(f"{phrases.clock(elapsed)} elapsed")
        done, here = trained(self.plan, records), trained(self.plan, records, self.asked)
        if done > self.trained_before and here < len(self.asked):
            left = (len(self.asked) - here) * elapsed / (done - self.trained_before)
            parts.append(f"{phrases.clock(left)} left")
        return " · ".join([*parts, "Ctrl-C keeps everything"])

    def _speed(self, record: Record) -> float | None:
        rows = rows_so_far(self.paths.run(record.id), record)
        speed = rows[-1].get("samples_per_second") if rows else None
        return float(speed) if isinstance(speed, int | float) else None


def seeds(runs: Iterable[PlannedRun]) -> int:
    """How many seeds the runs have."""
    return len({run.seed for run in runs})


def trained(plan: Plan, records: Mapping[str, Record], runs: Sequence[PlannedRun] = ()) -> float:
    """How many runs (of `runs`; by default of the plan's) have been trained, parts of runs included."""
    total = 0.0
    for run in runs or plan.runs:
        record = records.get(run.id)
        length = phrases.epochs(plan.variants[run.variant])
        if record is not None:
            total += 1.0 if record.ended else min(record.epoch / length, 1.0) if length else 0.0
    return total


def cells(plan: Plan, records: Mapping[str, Record], name: str, metric: Metric, asked: Sequence[PlannedRun] = ()) -> Grid:
    """A row a variant, a column a seed of the runs `asked` for (by default all), each cell its value or where it stands."""
    seeds = list(dict.fromkeys(run.seed for run in asked or plan.runs))
    by_place = {(run.variant, run.seed): run for run in plan.runs}
    columns = [Column(phrases.label(name), holds="labels"), *(Column(f"seed {seed}", "right", "states") for seed in seeds)]
    rows = []
    for variant, config in plan.variants.items():
        runs = [by_place.get((variant, seed)) for seed in seeds]
        row = [cell(records.get(run.id), phrases.epochs(config), name, metric) if run else "" for run in runs]
        rows.append([starred(variant, plan), *row])
    return Grid(columns, rows)


def cell(record: Record | None, length: int | None, name: str, metric: Metric) -> str:
    """What a run has come to, in a few characters."""
    if record is None or record.state == "pending":
        return phrases.NOTHING
    if record.state == "running":
        return epoch_of(record.epoch, None) if length is None else f"{record.epoch}/{length}"
    if record.state == "completed":
        return live_value(record.metrics.get(name), metric)
    return STATES[record.state]


def live_value(value: Any, metric: Metric) -> str:
    """A number while runs train: one decimal of a percentage, four figures of all else."""
    if not isinstance(value, int | float):
        return phrases.NOTHING
    return phrases.number(value, 1 if metric.unit == "%" else phrases.decimals([value], metric))


def last_lines(log: Path) -> list[str]:
    """The log's last lines; none where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return file.read().decode(errors="replace").rstrip().splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
