"""A plan -> its runs trained in child workers; then the plan that its results lead to, likewise."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from harness.analysis.look_levels import levels_for
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.execution.options import WorkerOptions
from harness.execution.schedule import Schedule, has_interim_looks
from harness.execution.stages import choices, current_next_plan, next_plan, save_resolved_plan
from harness.experiment.plan import Plan, task_of
from harness.launch.outcome import PlanOutcome, exit_code, finished
from harness.launch.supervise import supervise
from harness.launch.worker_pool import Workers, plan_target
from harness.reporting.pages import write_report
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal.choices import chosen
from harness.terminal.live_plan import progress
from harness.terminal.shell import console
from harness.tracking.login import choose, home_folder

Records = Mapping[str, Record]


def supervise_plan(store: Store, plan: Plan, options: WorkerOptions, workers: int = 1, replan: bool = False) -> PlanOutcome:
    """Train the remaining runs of `plan`, which is written down, and of the plans that its results lead to.

    `options.stop_after` counts from now. With `replan` plans that follow take the place of others of their names. Signals and
    errors as `supervise`.
    """
    began, now = time.monotonic(), options
    while True:
        outcome, stopped = _supervise_one(store, plan, now, workers)
        if plan.stage == "tuning" and (found := choices(plan, outcome.records)):  # before hours of evidence
            console(sys.stderr).print(chosen(plan, found), soft_wrap=True)
        if outcome.exit_code not in (EXIT_OK, EXIT_RUNS_FAILED) or next_plan(plan, outcome.records) is None:
            return outcome
        if stopped:
            return replace(outcome, exit_code=EXIT_INTERRUPTED)
        requested = current_next_plan(store, plan)
        if requested is None:
            return outcome
        plan, now = save_resolved_plan(store, requested, replan), further(options, began)


def further(options: WorkerOptions, began: float) -> WorkerOptions:
    """The options of a further stage of what began then, on the monotonic clock: that nothing is mirrored is said only once."""
    nowhere = choose(options.track, os.environ, home_folder()).kind == "none"
    return options.after(time.monotonic() - began).replaced(track="none" if nowhere else options.track)


def _supervise_one(store: Store, plan: Plan, options: WorkerOptions, workers: int) -> tuple[PlanOutcome, bool]:
    """What came of one plan, and whether a signal asked to stop meanwhile."""
    work, metrics = PlanRuns(store, plan), result_metrics(task_of(plan))
    name = plan.selection.metric if plan.selection else next(iter(metrics))
    device, schedule = plan.accelerator, work.schedule
    view = progress(plan, name, metrics[name], store.paths, workers=workers, device=device, schedule=schedule)
    records, pool = supervise(store, work, view, options, workers)
    # Where the runs stand decides: a worker that was stopped left nothing undone if others trained its runs, and runs may be left
    # although no worker was stopped, because other commands had them.
    groups = plan.selection.groups if plan.selection else {label: (label,) for label in plan.variants}
    wanted = {one for label, group in groups.items() for one in group if not options.only or label in options.only}
    states = {records[run.id].state for run in schedule.requested(records) if run.variant in wanted}
    left = not states <= {"completed", "diverged", "failed"}
    code = exit_code(pool.exit_code, left=left, failed=bool({"failed", "diverged"} & states))
    report = write_report(plan.name, store.paths.root) if work.has_report else None
    return PlanOutcome(code, pool.errors(), report, plan, records), pool.asked_to_stop


class PlanRuns:
    """The runs of a plan, as `supervise` wants its work."""

    def __init__(self, store: Store, plan: Plan) -> None:
        if has_interim_looks(plan):
            levels_for(store, plan.looks)  # before there are workers, who would each simulate what does not ship
        self.schedule = Schedule(plan, lambda: levels_for(store, plan.looks))
        self.target, self.accelerator = plan_target(store, plan), plan.accelerator
        self.has_report = plan.selection is None  # results that only choose what is compared are no evidence
        self._store, self._ids, self._horizon = store, [run.id for run in plan.runs], sys.maxsize

    def read(self) -> Records:
        """The runs' records."""
        return self._store.records(self._ids)

    def finished(self, records: Records) -> int:
        """How many runs have."""
        return finished(records)

    def needs_workers(self, records: Records, workers: Workers) -> bool:
        """Once the results of a look ask for more runs, while some worker is there to see them."""
        before, self._horizon = self._horizon, self.schedule.limit(records).horizon
        return self._horizon > before and workers.alive
