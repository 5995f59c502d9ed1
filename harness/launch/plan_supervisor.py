"""Train a plan in child workers, then the plans that its results lead to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.look_levels import levels_for
from harness.common import patience
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.execution.machine.slots import Slot
from harness.execution.options import WorkerOptions
from harness.execution.plan_view import PlanView
from harness.execution.recording import record_looks
from harness.execution.schedule import Schedule, has_interim_looks, judge_records
from harness.execution.stages import choices, current_next_plan, next_plan, save_resolved_plan
from harness.experiment.plan import Plan, task_of
from harness.experiment.steps import known_steps
from harness.launch.remaining import finished
from harness.launch.supervise import supervise
from harness.launch.worker_pool import Workers, plan_target
from harness.store.cases import CaseFiles
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.notices import Notices
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live_plan import progress
from harness.terminal.shell import console
from harness.terminal.time_basis import earlier
from harness.tracking.login import choose, home_folder

if TYPE_CHECKING:
    from harness.launch.outcome import PlanOutcome

Records = Mapping[str, Record]

READ_AT_ONCE = 2  # running runs, twice a second, and as many that are to be trained next
NEXT = 8  # how many of these are read in turns


@patience.interrupted_past_it()
def supervise_plan(
    store: Store, plan: Plan, options: WorkerOptions, slots: Sequence[Slot], *, mirrors: ExitStack, replan: bool = False
) -> PlanOutcome:
    """Train the remaining runs of `plan`, which is saved already, and of the plans that its results lead to; a worker a slot.

    Its report is written by `conclude`.
    `options.stop_after` counts from now. With `replan` the plans that follow replace stored ones. Signals and errors: see
    `supervise`.
    """
    start, stage_options = time.monotonic(), options
    while True:
        outcome, stopped = _supervise_one(store, plan, stage_options, slots, mirrors)
        if plan.stage == "tuning" and (found := choices(plan, outcome.records)):  # shown before hours of training
            from harness.terminal.choices import chosen

            console(sys.stderr).print(chosen(plan, found), soft_wrap=True)
        if outcome.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED) or next_plan(plan, outcome.records) is None:
            return outcome
        if stopped:
            return replace(outcome, exit_code=EXIT_INTERRUPTED)
        requested = current_next_plan(store, plan)
        if requested is None:
            return outcome
        plan, stage_options = save_resolved_plan(store, requested, replan), options_of_next_stage(options, start)


def options_of_next_stage(options: WorkerOptions, start: float) -> WorkerOptions:
    """Of a command that started at `start` (monotonic clock). Without a mirror `track` is none, so that it is reported once."""
    unmirrored = choose(options.track, os.environ, home_folder()).kind == "none"
    return options.after(time.monotonic() - start).replaced(track="none" if unmirrored else options.track)


def _supervise_one(
    store: Store, plan: Plan, options: WorkerOptions, slots: Sequence[Slot], mirrors: ExitStack
) -> tuple[PlanOutcome, bool]:
    """The outcome of one plan, and whether a signal asked to stop."""
    work, metrics = PlanRuns(store, plan), result_metrics(task_of(plan))
    name = plan.selection.metric if plan.selection else next(iter(metrics))
    device, schedule = plan.accelerator, work.schedule
    known = earlier(store, plan)
    view = progress(plan, name, metrics[name], store.paths, workers=len(slots), device=device, schedule=schedule, earlier=known)
    before = store.records([*(run.id for run in plan.runs), *known_steps(plan)])
    records, pool = supervise(store, work, view, options, slots, mirrors=mirrors)
    # Only now: their import takes longer than starting the workers.
    from harness.launch.outcome import PlanOutcome, exit_code

    # The runs' states decide, not the workers' exit codes: workers of other commands may have trained the rest, or still do.
    groups = plan.selection.groups if plan.selection else {label: (label,) for label in plan.variants}
    wanted = {one for label, group in groups.items() for one in group if not options.only or label in options.only}
    states = {records[run.id].state for run in schedule.requested(records) if run.variant in wanted}
    left = not states <= {"completed", "diverged", "failed"}
    code = exit_code(pool.exit_code, left=left, failed=bool({"failed", "diverged"} & states))
    report = store.paths.report(plan.name) / "index.html" if work.has_report else None
    return PlanOutcome(code, pool.errors(), report, plan, records, before), pool.asked_to_stop


class PlanRuns:
    """The runs of a plan as `Work`."""

    def __init__(self, store: Store, plan: Plan) -> None:
        if has_interim_looks(plan):
            levels_for(store, plan)  # simulated here once, not by every worker
        self.schedule = Schedule(plan, lambda: levels_for(store, plan))
        self.target, self.accelerator = plan_target(store, plan), plan.accelerator
        self.has_report = plan.selection is None
        self._store, self._plan, self._ids, self._horizon = store, plan, [run.id for run in plan.runs], sys.maxsize
        here = Holder.here()
        self._view = PlanView(store, plan, Watch(Timing(), here), Notices(store.paths, plan.name, here.machine))
        self._turn = 0  # which of the running runs and of the next ones was read last
        self._considered: Records | None = None  # by `needs_workers`

    def read(self) -> Records:
        """See `Work`. Running runs are read in turns, a few each time, for their epochs.

        So are the next ones: workers of another plan that has them too may have trained them, and post no notice here.
        """
        self._view.refresh()
        records = self._view.settle()
        self._turn += READ_AT_ONCE
        following = records.requested(self.schedule.limit(records).horizons).places(most=NEXT)
        for runs in (sorted(records.running), [self._plan.runs[place].id for place in following]):
            for place in range(min(READ_AT_ONCE, len(runs))):
                self._view.read(runs[(self._turn + place) % len(runs)])
        return dict(records)

    def read_whole(self) -> Records:
        """See `Work`."""
        return self._store.records(self._ids)

    def finished(self, records: Records) -> int:
        """See `Work`."""
        return finished(records)

    def conclude(self, records: Records) -> None:
        """See `Work`: the look that the results have reached."""
        if self.has_report:
            judged = judge_records(self._plan, records, levels_for(self._store, self._plan), CaseFiles(self._store))
            record_looks(self._store, self._plan, records, judged)

    def needs_workers(self, records: Records, workers: Workers) -> bool:
        """After the results of a look have requested more runs, while a worker is alive."""
        if records is self._considered:  # the states of a large plan are read less often than this is asked
            return False
        self._considered = records
        before, self._horizon = self._horizon, self.schedule.limit(records).horizon
        return self._horizon > before and workers.alive
