"""Collects the status of plans and searches from disk, the most recently active first."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.look_levels import levels_for
from harness.errors import HarnessError, InputError
from harness.execution.schedule import count_states, has_interim_looks, judge_records, runs_within
from harness.experiment.plan import task_of
from harness.experiment.study import task_of as task_of_study
from harness.search.nothing_found import nothing_found
from harness.search.storage import VARIABLE, storage_url, uses_database
from harness.search.stored_trials import read_trials
from harness.store import atomic, lease
from harness.store.cases import CaseFiles
from harness.store.check.plan import refuse_unknown_metrics
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.tasks.protocol import result_metrics
from harness.terminal.search_status import SearchStatus
from harness.terminal.status import PlanStatus

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.experiment.study import Study
    from harness.search.trials import Trial
    from harness.store.records import Record, Store
    from harness.terminal.status import StatusRow

# Stages in the order of the table.
STAGES = ("tuning", "search", "evidence", "top", "final")


def read_plan_status(store: Store, plan: Plan, records: dict[str, Record]) -> tuple[PlanStatus, list[HarnessError]]:
    """A plan's counts and verdicts, and the errors that prevented verdicts.

    Without claims, and before the first look, nothing is judged, which saves importing pandas.
    """
    # Renaming files into a run's folder updates the folder's mtime.
    folders = (store.paths.run(run.id).folder for run in plan.runs if records[run.id].state != "pending")
    changed = max((status.st_mtime for folder in folders if (status := atomic.status(folder)) is not None), default=None)
    updated = None if changed is None else max(0.0, time.time() - changed)
    claimed = plan.claims or (plan.amended is not None and plan.amended.claims)
    first = plan.first_seeds(plan.looks[0])
    if not claimed or not all(records[run.id].finished for run in plan.runs if run.seed in first):
        return PlanStatus(plan, count_states(plan, records), updated), []
    try:
        metrics = result_metrics(task_of(plan))
        refuse_unknown_metrics(plan, store.paths.plan(plan.name), metrics)
    except HarnessError as error:  # counts need no task
        return PlanStatus(plan, count_states(plan, records, runs=plan.runs), updated), [error]
    judgement = judge_records(plan, records, levels_for(store, plan), CaseFiles(store))
    requested = plan.runs
    if has_interim_looks(plan):
        requested = runs_within(plan, judgement.horizons)
    return PlanStatus(plan, count_states(plan, records, runs=requested), updated, judgement, metrics), []


def read_search_status(store: Store, study: Study) -> SearchStatus:
    """A search's trials, if readable here, with the records of running, interrupted and failed ones.

    A running trial without a live lease is shown as interrupted.
    """
    paths = store.paths.study(study.name)
    # Renaming and linking files into a trial's folder updates the folder's mtime.
    places = (paths.journal, *atomic.matches(paths.trials, "*"))
    changed = [status.st_mtime for path in places if (status := atomic.status(path)) is not None]
    updated = max(0.0, time.time() - max(changed)) if changed else None
    try:
        metrics = result_metrics(task_of_study(study))
    except InputError:  # counts need no task
        metrics = {}
    try:
        found = read_trials(paths, study, storage_url(None))
    except HarnessError as error:
        return SearchStatus(study, None, updated, metrics, why=str(error))
    if found is None and uses_database(paths):
        return SearchStatus(study, None, updated, metrics, why=f"its trials are in a database: set ${VARIABLE}")
    trials = [_interrupted_if_abandoned(store, study, trial) for trial in found or ()]
    shown = [run for trial in trials if trial.state in ("running", "interrupted", "failed") for run in trial.runs]
    nothing = nothing_found(store, study, trials)
    return SearchStatus(study, trials, updated, metrics, store.records(shown), nothing=nothing)


def _interrupted_if_abandoned(store: Store, study: Study, trial: Trial) -> Trial:
    if trial.state != "running":
        return trial
    newest = lease.newest(store.paths.study(study.name).trial(trial.number))
    gone = newest is None or Watch(Timing(), Holder.here()).seems_gone(newest)
    return replace(trial, state="interrupted") if gone else trial


def ordered(rows: Sequence[StatusRow]) -> list[StatusRow]:
    """The most recently updated experiment first; the stages of an experiment together, in their order."""
    latest: dict[str, float] = {}
    for row in rows:
        updated = math.inf if row.updated is None else row.updated
        latest[row.family] = min(updated, latest.get(row.family, math.inf))
    return sorted(rows, key=lambda row: (latest[row.family], row.family, STAGES.index(row.stage)))
