"""The progress of a plan: a grid of variants and seeds, a row for each variant, or groups of variants, as the terminal has room.

Without a terminal: a line for each finished run, and one from time to time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import compress, starmap
from operator import is_not
from statistics import fmean

from rich.console import Console, RenderableType
from rich.text import Text

from harness.execution.schedule import Limit, Schedule, has_interim_looks, runs_within
from harness.execution.time_left import Earlier, TimeLeft, time_left
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.address import address
from harness.store.paths import Paths
from harness.store.records import Record
from harness.tasks.protocol import Metric
from harness.terminal import live
from harness.terminal.choices import settings
from harness.terminal.dry_run import heading, marked, starred
from harness.terminal.live import Event, Progress, counter, last_lines
from harness.terminal.live_footer import LABEL_IN_LOG, Footer, short
from harness.terminal.live_grid import STATES, live_value, run_cells
from harness.terminal.live_layout import VariantProgress, variant_lines
from harness.terminal.steps import StepProgress
from harness.terminal.tables import INDENT, STYLES, WARNING, TerminalTable, styled
from harness.terminal.training import NewestRows, Now
from harness.terminal.wrapping import printable, wrap_parts

MOST_NAMED = 4  # variants in a line
LOST = ("failed", "diverged", "interrupted")
SEED_COLUMN = 9  # cells at least

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
    earlier: Earlier | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress[Records]:
    """The view for `console` (default: stderr). Cells show the metric `name`; `schedule` limits the runs to the current look.

    `earlier`: how long such runs took before, for the time left until a run of the plan has trained.
    """
    rows = PlanRows(plan, name, metric, paths, workers=workers, device=device, schedule=schedule, earlier=earlier)
    return live.progress(rows, console, clock)


class PlanRows:
    """The runs of a plan up to its current look."""

    def __init__(
        self,
        plan: Plan,
        name: str,
        metric: Metric,
        paths: Paths,
        *,
        workers: int,
        device: str,
        schedule: Schedule | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        self.plan, self.name, self.metric, self.paths = plan, name, metric, paths
        self.workers, self.device, self.schedule, self.earlier = workers, device, schedule or Schedule(plan), earlier
        self.records: Records = {run.id: Record(run.id, "pending") for run in plan.runs}
        self.limit: Limit | None = None  # None: before the first update
        self.requested: Sequence[PlannedRun] = plan.runs  # up to the current look
        self._by_variant = by_variant(plan.runs)
        self._ids: Sequence[str] = ()  # of the requested runs
        self._done = 0  # how many of them have finished
        self._possible: Sequence[PlannedRun] = plan.runs  # those that may be requested, and those that are
        self.address = address(paths, plan.family if plan.selection else plan.name)
        self.steps = StepProgress(plan, paths)
        self.newest = NewestRows(paths)
        self.lengths = {label: phrases.epochs(config) for label, config in plan.variants.items()}
        selection = plan.selection if plan.stage == "tuning" else None
        self.groups = selection.groups if selection else {label: (label,) for label in plan.variants}
        self.settings = {label: settings(values) for label, values in plan.selection.settings.items()} if plan.selection else {}
        self.labels = {label: starred(label, plan) for label in plan.variants}

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
        first, before, self.records = self.limit is None, self.records, state
        limit, requested_before = self.schedule.limit(state), self.requested
        if limit != self.limit:
            self.limit, self.requested = limit, runs_within(self.plan, limit.horizons)
            self._by_variant, self._possible = by_variant(self.requested), self._may_follow(limit)
            self._ids = [run.id for run in self.requested]
            self._done = sum((state if first else before)[run_id].finished for run_id in self._ids)
        has_steps = bool(self.steps.steps)
        steps = self.steps.update({run_id for run_id in self._ids if not state[run_id].finished} if has_steps else ())
        if first:
            return [Event([styled(f"{self._done} of {len(self.requested)} done already")])] if self._done else []
        events, reopened = steps, 0
        records = zip(map(before.__getitem__, self._ids), map(state.__getitem__, self._ids), strict=True)
        for run in compress(self.requested, starmap(is_not, records)):
            if state[run.id].finished and not before[run.id].finished:
                self._done += 1
                events.append(self._finished(self._done, run, state[run.id]))
            elif before[run.id].finished and not state[run.id].finished:
                reopened += 1
        self._done -= reopened
        if len(self.requested) > len(requested_before):
            seeds, more = (len({run.seed for run in runs}) for runs in (requested_before, self.requested))
            events.append(Event([styled(f"a claim is still open at {seeds} seeds: continuing to {more}{self._without(more)}")]))
        return events

    def look(self, most: int) -> None:
        """See `Rows`."""
        self.newest.look([self.records[run.id] for run in self._running()], most)

    def _without(self, seeds: int) -> str:
        """The variants that the look with `seeds` seeds does not need: none of their claims is open."""
        last = {run.variant for run in self.requested if run.seed == self.plan.first_seeds(seeds)[-1]}
        closed = [printable(variant) for variant in self.plan.variants if variant not in last]
        if not closed:
            return ""
        named = phrases.listed(closed[:MOST_NAMED]) if len(closed) <= MOST_NAMED else phrases.plural(len(closed), "variant")
        return f" without {named}, whose claims are closed"

    def _finished(self, finished: int, run: PlannedRun, record: Record) -> Event:
        widest, log = min(max(map(len, self.plan.variants)), LABEL_IN_LOG), self.paths.run(run.id).log
        count = counter(finished, len(self.requested), len(self.plan.runs))
        place = printable(f"{count} {run.variant:<{widest}}  {_seed(run, self.plan.runs)}  ")
        if record.state == "completed":
            value = f"{live_value(record.metrics.get(self.name), self.metric)} {self.metric.unit}".rstrip()
            took = "" if record.seconds is None else phrases.clock(record.seconds)
            return Event([styled(place, "  ".join(filter(None, ["completed", value, took, record.id])))], urgent=False)
        word = STATES[record.state]
        reason = f" {record.reason}" if record.reason and record.state == "failed" else ""
        line = styled(place, (word, STYLES[word]), printable(f"{reason} at epoch {record.epoch}  {log}"))
        return Event([line, *(last_lines(log) if record.state == "failed" else [])])

    def body(self, width: int, height: int) -> Sequence[RenderableType]:
        """A grid with a cell for each run and what trains now, if there is room; otherwise rows of variants, or groups."""
        if self.plan.stage == "tuning" or not self._has_grid(width, height):
            return variant_lines(self.variants(), width, height)
        grid = self._grid(self.records)
        now = self._now_lines(width, height - 1 - len(grid.lines(width)))
        return [grid, *([Text(), *now] if now else [])]

    def variants(self) -> list[VariantProgress]:
        """The requested runs by variant; in a tuning stage by the variant that they tune."""
        return [self._variant(label, self._of(members)) for label, members in self.groups.items()]

    def _of(self, variants: Sequence[str]) -> list[PlannedRun]:
        return [run for variant in variants for run in self._by_variant.get(variant, ())]

    def _variant(self, label: str, runs: Sequence[PlannedRun]) -> VariantProgress:
        states = [self.records[run.id].state for run in runs]
        lost = [(STATES[state], states.count(state)) for state in LOST if state in states]
        done = sum(self.records[run.id].finished for run in runs)
        now = [self._now(run) for run in runs if self.records[run.id].state == "running"]
        best = self._best(self.groups[label], self.settings) if self.plan.stage == "tuning" else ""
        return VariantProgress(self.labels.get(label, label), done, len(runs), now, lost, states.count("pending"), best)

    def _best(self, variants: Sequence[str], names: Mapping[str, str]) -> str:
        """`best so far lr=0.05: 94.4 %`, by the seeds that all have completed; empty before the first of them."""
        assert self.plan.selection is not None
        runs = {variant: self._of([variant]) for variant in variants}
        lost = {label for label, own in runs.items() if any(self.records[run.id].state in ("failed", "diverged") for run in own)}
        values: dict[str, dict[int, float]] = {
            label: {run.seed: value for run in own if (value := self.records[run.id].metrics.get(self.name)) is not None}
            for label, own in runs.items()
            if label not in lost
        }
        seeds = set.intersection(*map(set, values.values())) if values else set()
        if not seeds:
            return ""
        means = {label: fmean(of[seed] for seed in seeds) for label, of in values.items()}
        best = (max if self.plan.selection.goal == "maximize" else min)(means, key=means.__getitem__)
        return f"best so far {names.get(best, best)}: {self._with_unit(means[best])}"

    def _with_unit(self, value: float) -> str:
        return f"{live_value(value, self.metric)} {self.metric.unit}".rstrip()

    def _has_grid(self, width: int, height: int) -> bool:
        """Whether there is room for a grid of the requested runs, whatever their results: it stays one until the next look."""
        seeds = len({run.seed for run in self.requested})
        if 1 + len(self.plan.variants) > height or seeds * SEED_COLUMN > width:
            return False
        widest = self._grid({run.id: Record(run.id, "diverged") for run in self.requested})
        return widest.fits(width) and len(widest.lines(width)) <= height  # long labels take several lines

    def _grid(self, records: Records) -> TerminalTable:
        return run_cells(self.plan, records, self.name, self.metric, self.requested)

    def _now_lines(self, width: int, height: int) -> list[Text]:
        """Lines of the running runs; those for which there is no room are counted."""
        running = self._running()
        found: list[Text] = []
        for place, run in enumerate(running):
            now = self._now(run)
            lines = wrap_parts([f"{run.variant} {now.place}", *now.parts[1:]], width - INDENT)
            if len(found) + len(lines) + (place + 1 < len(running)) > height:
                more = f"{len(running) - place:,d} {'more ' if found else ''}running"
                return [*found, styled(" " * INDENT, more)] if len(found) < height else found
            found += [styled(" " * INDENT, line) for line in lines]
        return found

    def _running(self) -> list[PlannedRun]:
        return [run for run in self.requested if self.records[run.id].state == "running"]

    def _now(self, run: PlannedRun) -> Now:
        row = self.newest.of(run.id)
        value = self._with_unit(row[self.name]) if isinstance(row.get(self.name), int | float) else ""
        setting = f"{self.settings[run.variant]} " if self.plan.stage == "tuning" else ""
        return Now.of(f"{setting}{_seed(run, self.requested)}", self.records[run.id], self.lengths[run.variant], value, row)

    def footer(self, elapsed: float) -> Footer:
        """The progress in numbers, the time left, and what follows."""
        states = [self.records[run.id].state for run in self.requested]
        finished = sum(self.records[run.id].finished for run in self.requested)
        waiting = [f"{states.count(state):,d} {state}" for state in ("running", "pending") if state in states]
        speeds = [speed for row in self.newest.rows.values() if isinstance(speed := row.get("samples_per_second"), int | float)]
        later = len(self._possible) - len(self.requested)
        times = self._times()
        return Footer(
            done=f"{finished:,d}/{phrases.plural(len(self.requested), 'run')} done",
            later=f"up to {len(self.requested) + later:,d} at later looks" if later else "",
            states=", ".join(waiting),
            outcomes=", ".join(f"{states.count(state):,d} {STATES[state]}" for state in LOST if state in states),
            best=self._best([*self.plan.variants], {}) if self.plan.selection else "",
            look=self._next_look(),
            elapsed=f"{phrases.clock(elapsed)} elapsed",
            left="" if finished == len(self.requested) else phrases.left(times.left, times.basis),
            speed=f"{phrases.count(sum(speeds))} samples/s" if speeds else "",
            devices=phrases.device_time(times.spent, times.to_come, self.plan.accelerator),
            note=self.steps.training(),
            address=f"report: {self.address}",
        )

    def now(self) -> list[str]:
        """`dropout=0.3 seed 1 epoch 120/400 94.1 %` for each running run."""
        group = {member: label for label, members in self.groups.items() for member in members}
        return [f"{short(group[run.variant])} {self._now(run).in_log}" for run in self._running()]

    def _may_follow(self, limit: Limit) -> Sequence[PlannedRun]:
        """The requested runs, and those of later looks if every claim that is open now stays open."""
        if limit.final or limit.blocked:
            return self.requested
        last, now = len({run.seed for run in self.plan.runs}), limit.horizon
        return runs_within(self.plan, {label: last if n == now else n for label, n in limit.horizons.items()})

    def _times(self) -> TimeLeft:
        return time_left(
            self.plan,
            self.records,
            self.requested,
            self._possible,
            self.newest.rows,
            self.lengths,
            self.workers,
            earlier=self.earlier,
            before_s=self.steps.left_s,
        )

    def _next_look(self) -> str:
        """Of a plan with interim looks: the one that the requested runs lead to."""
        if self.limit is None or not has_interim_looks(self.plan):
            return ""
        if self.limit.blocked:
            return f"look at {self.limit.horizon} seeds waits for --retry failed"
        if self.limit.horizon not in self.plan.looks:
            return ""
        last = self.limit.horizon == self.plan.looks[-1]
        return f"{'last' if last else 'next'} look: {self.limit.horizon} seeds"


def _seed(run: PlannedRun, runs: Sequence[PlannedRun]) -> str:
    """`seed  9`, with room for the largest seed of the `runs`."""
    return f"seed {run.seed:>{len(str(runs[-1].seed))}}"


def by_variant(runs: Sequence[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """Label -> its runs."""
    found: dict[str, list[PlannedRun]] = {}
    for run in runs:
        found.setdefault(run.variant, []).append(run)
    return found
