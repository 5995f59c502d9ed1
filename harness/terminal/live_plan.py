"""The progress of a plan: one row per variant and one column per seed, or one line per finished run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.execution.schedule import Schedule, has_interim_looks
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.paths import Paths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal import live
from harness.terminal.dry_run import heading, marked, starred
from harness.terminal.live import STOPPING, Event, Progress, last_lines, pace
from harness.terminal.status import epoch_of
from harness.terminal.steps import StepProgress
from harness.terminal.tables import STYLES, WARNING, TerminalTable, printable, styled

MOST_VARIANTS = 12
MOST_SEEDS = 20
MOST_NAMED = 4  # variants in a line
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
    schedule: Schedule | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress[Records]:
    """The view for `console` (default: stderr). Cells show the metric `name`; `schedule` limits the runs to the current look."""
    rows = PlanRows(plan, name, metric, paths, workers=workers, device=device, schedule=schedule)
    return live.progress(rows, console, clock)


class PlanRows:
    """The runs of a plan up to its current look."""

    def __init__(
        self, plan: Plan, name: str, metric: Metric, paths: Paths, *, workers: int, device: str, schedule: Schedule | None = None
    ) -> None:
        self.plan, self.name, self.metric, self.paths = plan, name, metric, paths
        self.workers, self.device, self.schedule = workers, device, schedule or Schedule(plan)
        self.records: Records = {}
        self.requested: Sequence[PlannedRun] = plan.runs  # up to the current look
        self.trained_before = 0.0
        self.steps = StepProgress(plan, paths)

    def introduction(self) -> list[Text]:
        """The question; runs, workers, device and the rehearsal mark; a warning if results existed before the plan."""
        up_to = "up to " if has_interim_looks(self.plan) else ""
        count = f"{up_to}{phrases.plural(len(self.plan.runs), 'run')} on {self.device}, {phrases.plural(self.workers, 'worker')}"
        stage = phrases.stage(self.plan)
        known = phrases.known_results(self.plan)
        warnings = [styled((known, WARNING))] if known else []
        return [*heading(self.plan), marked(" · ".join(filter(None, [stage, count])), self.plan), *warnings]

    def update(self, state: Records) -> list[Event]:
        """A line for each finished run, and one when training continues to the next look."""
        before, self.records = self.records, state
        requested_before, self.requested = self.requested, self.schedule.requested(state)
        finished = sum((before or state)[run.id].finished for run in self.requested)
        steps = self.steps.update({run.id for run in self.requested if not state[run.id].finished})
        if not before:
            self.trained_before = trained(self.plan, state)
            return [Event([styled(f"{finished} of {len(self.requested)} done already")])] if finished else []
        events = steps
        for run in self.requested:
            if not before[run.id].finished and state[run.id].finished:
                finished += 1
                events.append(self._finished(finished, run, state[run.id]))
        if len(self.requested) > len(requested_before):
            seeds, more = (len({run.seed for run in runs}) for runs in (requested_before, self.requested))
            events.append(Event([styled(f"a claim is still open at {seeds} seeds: continuing to {more}{self._without(more)}")]))
        return events

    def _without(self, seeds: int) -> str:
        """The variants that the look with `seeds` seeds does not need: none of their claims is open."""
        last = {run.variant for run in self.requested if run.seed == self.plan.first_seeds(seeds)[-1]}
        closed = [printable(variant) for variant in self.plan.variants if variant not in last]
        if not closed:
            return ""
        named = phrases.listed(closed[:MOST_NAMED]) if len(closed) <= MOST_NAMED else phrases.plural(len(closed), "variant")
        return f" without {named}, whose claims are closed"

    def _finished(self, finished: int, run: PlannedRun, record: Record) -> Event:
        widest, total, log = max(map(len, self.plan.variants)), len(self.requested), self.paths.run(run.id).log
        place = printable(f"[{finished:>{len(str(total))}}/{total}] {run.variant:<{widest}}  seed {run.seed}  ")
        if record.state == "completed":
            value = f"{live_value(record.metrics.get(self.name), self.metric)} {self.metric.unit}".rstrip()
            took = "" if record.seconds is None else phrases.clock(record.seconds)
            return Event([styled(place, "  ".join(filter(None, ["completed", value, took, record.id])))], urgent=False)
        word = STATES[record.state]
        reason = f" {record.reason}" if record.reason and record.state == "failed" else ""
        line = styled(place, (word, STYLES[word]), printable(f"{reason} at epoch {record.epoch}  {log}"))
        return Event([line, *(last_lines(log) if record.state == "failed" else [])])

    def table(self) -> TerminalTable:
        """One cell per run: its value, epoch or state."""
        return run_cells(self.plan, self.records, self.name, self.metric, self.requested)

    def footer(self, elapsed: float, stop_requested: bool) -> list[str]:
        """Progress, speed and time left."""
        finished = sum(self.records[run.id].finished for run in self.requested if run.id in self.records)
        done = f"{finished} of {len(self.requested)} done"
        if stop_requested:
            return [f"{done} · {STOPPING}"]
        all_trained, here = trained(self.plan, self.records), trained(self.plan, self.records, self.requested)
        left = None
        if all_trained > self.trained_before and here < len(self.requested):
            left = (len(self.requested) - here) * elapsed / (all_trained - self.trained_before)
        training = self.steps.training()
        return [f"{done} · {pace(self.paths, self.records.values(), elapsed, left)}", *([training] if training else [])]

    def fits(self, console: Console) -> bool:
        """Whether the plan is small enough for a table and the console has room for it, whatever the results."""
        if len(self.plan.variants) > MOST_VARIANTS or phrases.seeds(self.plan) > MOST_SEEDS:
            return False
        widest = {run.id: Record(run.id, "diverged") for run in self.plan.runs}
        height = len(self.introduction()) + 1 + (1 + len(self.plan.variants)) + 2 + bool(self.steps.steps)
        return height <= console.height and run_cells(self.plan, widest, self.name, self.metric).fits(console.width)


def trained(plan: Plan, records: Records, runs: Sequence[PlannedRun] = ()) -> float:
    """The number of trained runs among `runs` (default: all of the plan), counting fractions of runs."""
    total = 0.0
    for run in runs or plan.runs:
        record = records.get(run.id)
        length = phrases.epochs(plan.variants[run.variant])
        if record is not None:
            total += 1.0 if record.finished else min(record.epoch / length, 1.0) if length else 0.0
    return total


def run_cells(plan: Plan, records: Records, name: str, metric: Metric, requested: Sequence[PlannedRun] = ()) -> TerminalTable:
    """One row per variant, one column per seed of `requested` (default: all runs); cells show the value, epoch or state."""
    seeds = list(dict.fromkeys(run.seed for run in requested or plan.runs))
    by_place = {(run.variant, run.seed): run for run in plan.runs}
    awaited = {run.id for run in requested or plan.runs}
    columns = [Column(phrases.label(name), holds="labels"), *(Column(f"seed {seed}", "right", "states") for seed in seeds)]
    rows = []
    for variant, config in plan.variants.items():
        runs = [by_place.get((variant, seed)) for seed in seeds]
        row = [_cell(records.get(run.id), phrases.epochs(config), name, metric, run.id in awaited) if run else "" for run in runs]
        rows.append([starred(variant, plan), *row])
    return TerminalTable.of_rows(columns, rows)


def _cell(record: Record | None, length: int | None, name: str, metric: Metric, awaited: bool) -> str:
    """A run's value, epoch or state; empty if it has none and is not requested."""
    if record is None or record.state == "pending":
        return phrases.NOTHING if awaited else ""
    if record.state == "running":
        return epoch_of(record.epoch, None) if length is None else f"{record.epoch}/{length}"
    if record.state == "completed":
        return live_value(record.metrics.get(name), metric)
    return STATES[record.state]


def live_value(value: Any, metric: Metric) -> str:
    """A number in a progress line: percentages with one decimal, others with four significant digits."""
    if not isinstance(value, int | float):
        return phrases.NOTHING
    return phrases.number(value, 1 if metric.unit == "%" else phrases.decimals([value], metric))
