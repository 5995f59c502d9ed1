"""An experiment -> the file that workers on other machines are given, frozen for those, and how much is to be trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from harness.analysis.look_levels import levels_for
from harness.errors import InputError
from harness.execution.schedule import asked, in_stages, stuck
from harness.execution.stages import following, settle
from harness.experiment import Experiment
from harness.experiment.plan import Plan, make_plan, stage_name, task_from, task_of
from harness.experiment.study import make_study
from harness.search.broker import look
from harness.search.reconcile import prepare
from harness.search.reconcile import settle as settle_study
from harness.search.storage import address, refuse_other_storage
from harness.search.trials import counted
from harness.store.records import Record, Store
from harness.tasks.protocol import Accelerator, Task, result_metrics
from harness.terminal import dry_run, search_dry_run


@dataclass(frozen=True)
class Assignment:
    """What workers are given. `due` runs or trials wait now; up to `later` more may follow, of further looks or stages."""

    name: str  # of the report
    question: str
    target: Path  # results/plans/NAME.json, or results/studies/NAME/search.json
    due: int
    later: int
    cost: str  # of what is due, in words
    device_hours: float | None  # likewise; None: nothing of it has run yet
    task_file: Path | None  # the task's module
    failed: int = 0
    program: Path | None = None  # where a task that is a program runs, from the files that lie there then


def assign(  # noqa: PLR0917 - what is asked for, each of it named
    store: Store,
    experiment: Experiment,
    accelerator: Accelerator,
    seeds: int | None = None,
    trials: int | None = None,
    replan: bool = False,
    retry: Sequence[str] = (),
    save: bool = True,
) -> Assignment:
    """Freeze the experiment for an accelerator, whatever this machine has, and write it down if `save`.

    `retry` names endings that are to be trained again. Raises PlanChanged, InputError, DataError, StoreError.
    """
    if experiment.search is not None:
        if seeds is not None:
            raise InputError("--seeds: a search has trials; allowed: --trials")
        return _search(store, experiment, accelerator, trials, replan, retry, save)
    if trials is not None:
        raise InputError(f"--trials: {experiment.path} has no search; allowed: --seeds")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    plan, replaces = settle(store, make_plan(experiment, accelerator, seeds, created), replan)
    if save:
        if replaces:
            store.archive_plan(plan.name)
        store.save_plan(plan)
    return _plan(store, experiment.name, plan, retry, replan)


def _plan(store: Store, name: str, first: Plan, retry: Sequence[str], replan: bool) -> Assignment:
    plan = first
    while True:
        # Levels that do not ship are simulated before there are workers, who would each do so.
        levels = levels_for(store, plan.looks) if in_stages(plan) else None
        records = _renewed(store, plan, retry)
        wanted = asked(plan, records, levels)
        waiting = [run for run in wanted if not records[run.id].finished]
        if stuck(plan, records) is not None:
            waiting = []  # a worker would train nothing of it
        then = None if waiting else following(plan, records)
        if then is None:
            break
        plan = settle(store, then, replan)[0]  # the workers write it down when they come to it
    later = len(plan.runs) - len(wanted)
    if plan.selection is not None:
        later += plan.selection.seeds * len(plan.selection.then.variants)
    task = task_of(plan)
    # Without the networks' sizes, for which torch would be loaded: a login node may have none.
    ahead = dry_run.Preview(plan, result_metrics(task), records, wanted, parameters={}, power=None, levels=None)
    took = [record.seconds for record in records.values() if record.state == "completed" and record.seconds]
    return Assignment(
        name=name,
        question=first.question,
        target=store.paths.plan(first.name),
        due=len(waiting),
        later=later if waiting else 0,
        cost=dry_run.cost(ahead),
        device_hours=fmean(took) * len(waiting) / 3600 if took else None,
        task_file=_file_of(task),
        failed=sum(records[run.id].state == "failed" for run in wanted),
        program=Path(plan.program.directory) if plan.program else None,
    )


def _search(  # noqa: PLR0917 - as above
    store: Store,
    experiment: Experiment,
    accelerator: Accelerator,
    target: int | None,
    replan: bool,
    retry: Sequence[str],
    save: bool,
) -> Assignment:
    if target is not None and target < 1:
        raise InputError(f"--trials: {target} is no target; allowed: a number from 1")
    wanted = make_study(experiment, accelerator, target, datetime.now(UTC).isoformat(timespec="microseconds"))
    url = address(None)
    if not replan:
        refuse_other_storage(store.paths.study(wanted.name), url)
    study, anew = settle_study(store, wanted, replan)
    if save:
        study = prepare(store, wanted, replan)
    paths, task = store.paths.study(study.name), task_from(study.task, study.program, study.folder, study.data)
    trials = [] if anew or not paths.spec.exists() else look(paths, study, url) or []
    failed = [trial for trial in counted(trials) if trial.retriable]
    again = failed if "failed" in retry else []
    due = study.trials - sum(trial.over for trial in counted(trials)) + len(again)
    later = 0
    if study.confirm is not None:
        final = store.load_plan(stage_name(study.name, "final"))
        later = (study.confirm.top + 2) * study.confirm.seeds
        if final is not None:  # the last stage is planned: what of it is not ended
            later = sum(not record.finished for record in _renewed(store, final, retry).values())
    took = [trial.seconds for trial in trials if trial.over and trial.seconds]
    return Assignment(
        name=study.name,
        question=study.question,
        target=paths.spec,
        due=max(0, due),
        later=later,
        cost=search_dry_run.cost(search_dry_run.SearchPreview(study, result_metrics(task), trials, None)),
        device_hours=fmean(took) * max(0, due) / 3600 if took else None,
        task_file=_file_of(task),
        failed=len(failed),
        program=Path(study.program.directory) if study.program else None,
    )


def _renewed(store: Store, plan: Plan, retry: Sequence[str]) -> dict[str, Record]:
    """Where the plan's runs stand, those with an ending in `retry` as the workers will make them: pending."""
    records = store.records([run.id for run in plan.runs])
    return {id_: replace(record, state="pending") if record.state in retry else record for id_, record in records.items()}


def _file_of(task: Task) -> Path | None:
    module = sys.modules.get(type(task).__module__)
    return Path(module.__file__) if module is not None and module.__file__ else None
