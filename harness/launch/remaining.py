"""How much a command has left to train, which bounds the number of its workers: plan or search -> a number of runs or trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.analysis.look_levels import levels_for
from harness.execution.options import WorkerOptions
from harness.execution.schedule import Schedule
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.store import atomic
from harness.store.records import Record, Store


def runs_left(store: Store, plan: Plan, options: WorkerOptions) -> int:
    """Runs without a result, those of later looks too; 0: none is requested. Of a plan that leads to another one: all runs."""
    if plan.selection is not None:
        return len(plan.runs)
    found = store.records([run.id for run in plan.runs])
    records = {id_: replace(one, state="pending") if one.state in options.retry else one for id_, one in found.items()}
    unfinished = {run.id for run in plan.runs if not records[run.id].finished}
    requested = {run.id for run in Schedule(plan, lambda: levels_for(store, plan)).requested(records)}
    return len(unfinished) if unfinished & requested else 0


def finished(records: Mapping[str, Record]) -> int:
    """Number of finished runs."""
    return sum(record.finished for record in records.values())


def trials_left(store: Store, study: Study, url: str | None, options: WorkerOptions) -> int:
    """Trials without a result, or runs of the confirmation; for a search that is not saved yet, all trials."""
    from harness.search.stored_trials import read_trials
    from harness.search.trials import counted

    paths = store.paths.study(study.name)
    trials = counted((read_trials(paths, study, url) or []) if atomic.exists(paths.spec) else [])
    left = study.trials - sum(trial.finished for trial in trials)
    left += sum(trial.retriable for trial in trials) if options.retry else 0
    if left > 0 or study.confirm is None:
        return max(0, left)
    final = store.load_plan(stage_name(study.name, "final"))
    return study.confirm.top * study.confirm.seeds if final is None else runs_left(store, final, options)
