"""Experiment -> the saved plan or search for workers on other machines, and how much remains to be trained."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from harness.analysis.look_levels import levels_for
from harness.errors import InputError
from harness.execution.recording import save_plan
from harness.execution.schedule import common_failure, has_interim_looks, requested
from harness.execution.stages import next_plan, resolve_plan
from harness.experiment import Experiment
from harness.experiment.plan import Plan, make_plan, stage_name, task_from, task_of
from harness.experiment.resources import Demand, demands, needed, together
from harness.experiment.study import make_study
from harness.reporting import phrases
from harness.search.reconcile import prepare, resolve_study
from harness.search.storage import refuse_other_storage, storage_url
from harness.search.stored_trials import read_trials
from harness.search.trials import counted
from harness.store import atomic
from harness.store.records import Record, Store
from harness.tasks.command.model import Program
from harness.tasks.protocol import Accelerator, Task, result_metrics
from harness.terminal import dry_run, search_dry_run


@dataclass(frozen=True)
class Assignment:
    """What workers get. `remaining` runs or trials can train now; later looks or stages may add up to `later` more."""

    name: str  # of the report
    question: str
    target: Path  # results/plans/NAME.json, or results/studies/NAME/search.json
    remaining: int
    later: int
    cost: str  # of the `remaining`, in words
    device_hours: float | None  # likewise; None: no run has completed yet
    task_file: Path | None  # the task's module
    failed: int = 0
    program: Path | None = None  # the working directory of a program, whose files are not copied; None: versions of code
    demands: tuple[Demand, ...] = ()  # `remaining` and `later` by what runs need
    known: str | None = None  # how many results existed before the plan of evidence, and what follows


def assign(  # noqa: PLR0917 - the command's options, by name
    store: Store,
    experiment: Experiment,
    accelerator: Accelerator,
    seeds: int | None = None,
    trials: int | None = None,
    replan: bool = False,
    retry: Sequence[str] = (),
    save: bool = True,
    *,
    first_seed: int | None = None,
) -> Assignment:
    """Make the plan or search for an accelerator, which this machine need not have; saved if `save`.

    `retry`: result states to train again. Raises PlanChanged, InputError, DataError, StoreError.
    """
    if experiment.search is not None:
        if seeds is not None:
            raise InputError("--seeds: not valid for a search; use --trials")
        if first_seed is not None:
            raise InputError("--first-seed: not valid for a search, whose seeds start at fixed numbers; remove it")
        return _search(store, experiment, accelerator, trials, replan, retry, save)
    if trials is not None:
        raise InputError(f"--trials: {experiment.path} has no search; use --seeds")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    plan, replaces = resolve_plan(store, make_plan(experiment, accelerator, seeds, created, first_seed=first_seed), replan)
    if save:
        save_plan(store, plan, replaces)
    return _plan(store, experiment.name, plan, retry, replan)


def _plan(store: Store, name: str, first: Plan, retry: Sequence[str], replan: bool) -> Assignment:
    plan = first
    while True:
        # Levels that are not shipped are simulated here once, not by every worker.
        levels = levels_for(store, plan) if has_interim_looks(plan) else None
        records = _renewed(store, plan, retry)
        wanted = requested(plan, records, levels)
        waiting = [run for run in wanted if not records[run.id].finished]
        if common_failure(plan, records) is not None:
            waiting = []  # a worker would train none of them
        following = None if waiting else next_plan(plan, records)
        if following is None:
            break
        plan = resolve_plan(store, following, replan)[0]  # the workers save it when they get there
    now, beyond = {run.id for run in waiting}, {run.id for run in plan.runs} - {run.id for run in wanted}
    later, needs = len(beyond), demands(plan, Counter(run.variant for run in plan.runs if run.id in now | beyond))
    if plan.selection is not None:
        then = plan.selection.then
        later += plan.selection.seeds * len(then.variants)
        needs = together([*needs, *demands(then, dict.fromkeys(then.variants, plan.selection.seeds))])
    task = task_of(plan)
    # Without parameter counts, which need torch: a login node may not have it.
    ahead = dry_run.Preview(plan, result_metrics(task), records, wanted, parameters={}, power=None, levels=None)
    took = [record.seconds for record in records.values() if record.state == "completed" and record.seconds]
    return Assignment(
        name=name,
        question=first.question,
        target=store.paths.plan(first.name),
        remaining=len(waiting),
        later=later if waiting else 0,
        cost=dry_run.cost(ahead),
        device_hours=fmean(took) * len(waiting) / 3600 if took else None,
        task_file=_file_of(task),
        failed=sum(records[run.id].state == "failed" for run in wanted),
        program=_program_folder(plan.program),
        demands=needs,
        known=phrases.known_results(plan),
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
        raise InputError(f"--trials: must be at least 1, not {target}")
    wanted = make_study(experiment, accelerator, target, datetime.now(UTC).isoformat(timespec="microseconds"))
    url = storage_url(None)
    if not replan:
        refuse_other_storage(store.paths.study(wanted.name), url)
    study, replaces = resolve_study(store, wanted, replan)
    if save:
        study = prepare(store, wanted, replan)
    paths, task = store.paths.study(study.name), task_from(study.task, study.program, study.folder, study.data)
    trials = [] if replaces or not atomic.exists(paths.spec) else read_trials(paths, study, url) or []
    failed = [trial for trial in counted(trials) if trial.retriable]
    again = failed if "failed" in retry else []
    remaining = study.trials - sum(trial.finished for trial in counted(trials)) + len(again)
    later = 0
    if study.confirm is not None:
        final = store.load_plan(stage_name(study.name, "final"))
        later = (study.confirm.top + 2) * study.confirm.seeds
        if final is not None:  # the last stage is planned: its unfinished runs
            later = sum(not record.finished for record in _renewed(store, final, retry).values())
    took = [trial.seconds for trial in trials if trial.finished and trial.seconds]
    return Assignment(
        name=study.name,
        question=study.question,
        target=paths.spec,
        remaining=max(0, remaining),
        later=later,
        cost=search_dry_run.cost(search_dry_run.SearchPreview(study, result_metrics(task), trials, None)),
        device_hours=fmean(took) * max(0, remaining) / 3600 if took else None,
        task_file=_file_of(task),
        failed=len(failed),
        program=_program_folder(study.program),
        demands=(Demand(needed(study)[""], (), max(0, remaining) + later),),
    )


def _renewed(store: Store, plan: Plan, retry: Sequence[str]) -> dict[str, Record]:
    """The plan's records; those with a state in `retry` are pending, as the workers will make them."""
    records = store.records([run.id for run in plan.runs])
    return {id_: replace(record, state="pending") if record.state in retry else record for id_, record in records.items()}


def _program_folder(program: Program | None) -> Path | None:
    return None if program is None or program.repository is not None else Path(program.directory)


def _file_of(task: Task) -> Path | None:
    module = sys.modules.get(type(task).__module__)
    return Path(module.__file__) if module is not None and module.__file__ else None
