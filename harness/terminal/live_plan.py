"""The runs of a plan while they train: a row a variant, a column a seed, or a line for each run that has finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.execution.schedule import Course, in_stages
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.paths import Paths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal import live
from harness.terminal.dry_run import heading, marked, starred
from harness.terminal.live import STOPPING, News, Progress, last_lines, pace
from harness.terminal.status import epoch_of
from harness.terminal.tables import STYLES, TerminalTable, printable, styled

MOST_VARIANTS = 12
MOST_SEEDS = 20
STATES = {"interrupted": "stopped", "failed": "FAILED", "diverged": "DIVERGED"}

Records = Mapping[str, Record]


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
) -> Progress[Records]:
    """The view that fits the terminal behind `console` (stderr by default) and the size of the plan.

    `name` and `metric` are what the cells show; `course` says how far the looks go; `clock` returns seconds.
    """
    rows = PlanRows(plan, name, metric, paths, workers=workers, device=device, course=course)
    return live.progress(rows, console, clock)


class PlanRows:
    """Where the runs of a plan stand, and how far its looks go."""

    def __init__(
        self, plan: Plan, name: str, metric: Metric, paths: Paths, *, workers: int, device: str, course: Course | None = None
    ) -> None:
        self.plan, self.name, self.metric, self.paths = plan, name, metric, paths
        self.workers, self.device, self.course = workers, device, course or Course(plan)
        self.records: Records = {}
        self.asked: Sequence[PlannedRun] = plan.runs  # by the looks so far
        self.trained_before = 0.0

    def introduction(self) -> list[Text]:
        """The question; the runs, workers, device and whether this is a rehearsal."""
        up_to = "up to " if in_stages(self.plan) else ""
        count = f"{up_to}{phrases.plural(len(self.plan.runs), 'run')} on {self.device}, {phrases.plural(self.workers, 'worker')}"
        stage = phrases.stage(self.plan)
        return [*heading(self.plan), marked(" · ".join(filter(None, [stage, count])), self.plan)]

    def update(self, state: Records) -> list[News]:
        """A line for each run that has finished, and one where the looks go on."""
        before, self.records = self.records, state
        asked_before, self.asked = self.asked, self.course.asked(state)
        ended = sum((before or state)[run.id].finished for run in self.asked)
        if not before:
            self.trained_before = trained(self.plan, state)
            return [News([styled(f"{ended} of {len(self.asked)} done already")])] if ended else []
        news = []
        for run in self.asked:
            if not before[run.id].finished and state[run.id].finished:
                ended += 1
                news.append(self._finished(ended, run, state[run.id]))
        if len(self.asked) > len(asked_before):
            seeds, more = (len({run.seed for run in runs}) for runs in (asked_before, self.asked))
            news.append(News([styled(f"a claim is still open at {seeds} seeds: going on to {more}")]))
        return news

    def _finished(self, ended: int, run: PlannedRun, record: Record) -> News:
        widest, log = max(map(len, self.plan.variants)), self.paths.run(run.id).log
        place = printable(f"[{ended}/{len(self.asked)}] {run.variant:<{widest}}  seed {run.seed}  ")
        if record.state == "completed":
            value = f"{live_value(record.metrics.get(self.name), self.metric)} {self.metric.unit}".rstrip()
            took = "" if record.seconds is None else phrases.clock(record.seconds)
            return News([styled(place, "  ".join(filter(None, ["completed", value, took, record.id])))], urgent=False)
        # The lines of a failure stand above a person's next command: the word, why, when, and where to look.
        word = STATES[record.state]
        reason = f" {record.reason}" if record.reason and record.state == "failed" else ""
        line = styled(place, (word, STYLES[word]), printable(f"{reason} at epoch {record.epoch}  {log}"))
        return News([line, *(last_lines(log) if record.state == "failed" else [])])

    def table(self) -> TerminalTable:
        """A cell a run, with its value or where it stands."""
        return run_cells(self.plan, self.records, self.name, self.metric, self.asked)

    def footer(self, elapsed: float, stops: bool) -> list[str]:
        """How far it is, how fast, and how long it takes still."""
        done = f"{sum(self.records[run.id].finished for run in self.asked if run.id in self.records)} of {len(self.asked)} done"
        if stops:
            return [f"{done} · {STOPPING}"]
        all_trained, here = trained(self.plan, self.records), trained(self.plan, self.records, self.asked)
        left = None
        if all_trained > self.trained_before and here < len(self.asked):
            left = (len(self.asked) - here) * elapsed / (all_trained - self.trained_before)
        return [f"{done} · {pace(self.paths, self.records.values(), elapsed, left)}"]

    def fits(self, console: Console) -> bool:
        """Whether the plan is small enough to watch, and the console has room for all of it, whatever becomes of the runs."""
        if len(self.plan.variants) > MOST_VARIANTS or phrases.seeds(self.plan) > MOST_SEEDS:
            return False
        widest = {run.id: Record(run.id, "diverged") for run in self.plan.runs}
        height = len(self.introduction()) + 1 + (1 + len(self.plan.variants)) + 2
        return height <= console.height and run_cells(self.plan, widest, self.name, self.metric).fits(console.width)


def trained(plan: Plan, records: Records, runs: Sequence[PlannedRun] = ()) -> float:
    """How many runs (of `runs`; by default of the plan's) have been trained, parts of runs included."""
    total = 0.0
    for run in runs or plan.runs:
        record = records.get(run.id)
        length = phrases.epochs(plan.variants[run.variant])
        if record is not None:
            total += 1.0 if record.finished else min(record.epoch / length, 1.0) if length else 0.0
    return total


def run_cells(plan: Plan, records: Records, name: str, metric: Metric, asked: Sequence[PlannedRun] = ()) -> TerminalTable:
    """A row a variant, a column a seed of the runs `asked` for (by default all), each cell its value or where it stands."""
    seeds = list(dict.fromkeys(run.seed for run in asked or plan.runs))
    by_place = {(run.variant, run.seed): run for run in plan.runs}
    columns = [Column(phrases.label(name), holds="labels"), *(Column(f"seed {seed}", "right", "states") for seed in seeds)]
    rows = []
    for variant, config in plan.variants.items():
        runs = [by_place.get((variant, seed)) for seed in seeds]
        row = [_cell(records.get(run.id), phrases.epochs(config), name, metric) if run else "" for run in runs]
        rows.append([starred(variant, plan), *row])
    return TerminalTable.of_rows(columns, rows)


def _cell(record: Record | None, length: int | None, name: str, metric: Metric) -> str:
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
