"""Check a search: search.json, the trials that Optuna stores, and their runs, against each other. Read-only.

A trial is checked through its runs: its values must give the ids of its runs, and its objectives the means over their results.
Reports check the same of the trials that they show.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DataError, HarnessError, InputError, PackageError, StoreError
from harness.experiment.space import Categorical, Range
from harness.experiment.study import Study, config_of, spec_of, task_of
from harness.search.storage import VARIABLE, uses_database
from harness.search.stored_trials import read_trials
from harness.search.trials import Trial
from harness.store import atomic, lease
from harness.store.check.finding import FileFinding
from harness.store.check.plan import described, unlike
from harness.store.check.result import facts
from harness.store.records import Result, Store, decode, read_rows
from harness.store.seal import seal_broken
from harness.store.trial_runs import read_trial_runs
from harness.tasks.protocol import Task
from harness.tasks.results import mean

RESTORE = "restore it from a copy, or start a new search with --replan"
OPERATIONS = range(10)  # op_code of a line in Optuna's journal
Rows = Sequence[Mapping[str, Any]]


def check_searches(store: Store, url: str | None) -> tuple[dict[str, int | None], list[FileFinding]]:
    """(the number of trials read of each readable search, None: they could not be read here; findings).

    `url`: of the database, for searches that keep their trials in one. Raises StoreError.
    """
    counts: dict[str, int | None] = {}
    found: list[FileFinding] = []
    studies, _ = store.load_studies()  # unreadable ones are reported by the check of the folder
    for study in studies:
        paths = store.paths.study(study.name)
        if uses_database(paths) and url is None:
            counts[study.name] = None
            what = f"its trials are in a database and were not checked; set its address in ${VARIABLE}"
            found.append(FileFinding(paths.spec, what, harmless=True))
            continue
        try:
            trials = read_trials(paths, study, url) or []
        except PackageError as error:
            counts[study.name] = None
            found.append(FileFinding(paths.spec, f"its trials were not checked: {error}", harmless=True))
            continue
        except HarnessError as error:
            found.append(FileFinding(paths.journal, str(error).removeprefix(f"{paths.journal}: "), RESTORE))
            continue
        counts[study.name] = len(trials)
        found += check_search(store, study, trials)
        found += _check_journal(paths.journal)
    return counts, found


def check_search(store: Store, study: Study, trials: Sequence[Trial]) -> Iterator[FileFinding]:
    """Check search.json, and `trials`, all that the storage holds, against the runs."""
    paths = store.paths.study(study.name)
    if seal_broken(paths.spec):
        yield FileFinding(paths.spec, "was altered after it was written: it does not match its seal", RESTORE)
    numbers = {trial.number for trial in trials}
    for folder in atomic.matches(paths.trials, "*"):
        if folder.name.isdecimal() and int(folder.name) not in numbers:
            yield FileFinding(folder, "belongs to a trial that the search's storage has lost", RESTORE)
    try:
        task: Task | None = task_of(study)
    except InputError as error:
        yield FileFinding(paths.spec, f"the ids of its runs cannot be computed here: {error}", harmless=True)
        task = None
    if task is not None and task.version != study.task_version:
        versions = f"it was made with version {study.task_version} of {study.task}, the installed version is {task.version}"
        yield FileFinding(paths.spec, f"the ids of its runs cannot be computed here: {versions}", harmless=True)
        task = None
    storage = paths.journal if atomic.exists(paths.journal) else paths.spec
    for trial in trials:
        runs_file = paths.trial_runs(trial.number)
        for what in _trial(store, study, task, trial):
            yield FileFinding(storage, f"trial {trial.number}: {what}", RESTORE)
        try:
            listed = read_trial_runs(paths, trial.number)
        except StoreError as error:
            yield FileFinding(runs_file, str(error).removeprefix(f"{runs_file}: "), "remove it and restore it from a copy")
            continue
        if listed is None and trial.runs and trial.finished and trial.state != "interrupted":
            yield FileFinding(runs_file, "is missing: which runs the trial consists of is not known without the storage", RESTORE)
        elif listed is not None and trial.runs and listed != trial.runs:
            yield FileFinding(runs_file, f"names other runs than the trial in {storage.name}", RESTORE)


def _trial(store: Store, study: Study, task: Task | None, trial: Trial) -> Iterator[str]:
    """What does not fit in one trial."""
    if outside := _outside(study, trial):
        yield outside
    if trial.runs and task is not None and not outside and (wrong := _other_runs(study, task, trial)):
        yield wrong
    if trial.state == "completed" and not trial.runs:
        yield "completed without runs"
    if trial.runs and trial.state == "running" and _abandoned(store, study, trial):
        yield "is stored as running, but its runs have finished and its worker has released it"
    if not trial.runs or trial.state not in ("completed", "pruned", "diverged"):
        return
    try:
        results = [store.result(run_id) for run_id in trial.runs]
        rows = [read_rows(store.paths.run(run_id).metrics) for run_id in trial.runs]
    except StoreError:
        return  # the check of the run reports it
    if trial.state == "completed":
        yield from _completed(study, task, trial, results, rows)
    if trial.state == "diverged" and all(result is not None and result.state == "completed" for result in results):
        yield "is stored as diverged, but all of its runs completed"
    # A pruned run may have been trained further, on another machine, by a plan that contains it.
    if trial.curve and (trial.state == "completed" or (trial.state == "pruned" and results[0] is None)):
        yield from _curve(study, trial, rows[0])


def _abandoned(store: Store, study: Study, trial: Trial) -> bool:
    """Whether a running trial was finished: a worker tells the outcome before it releases the trial."""
    state = lease.newest(store.paths.study(study.name).trial(trial.number))
    if state is None or not state.released:
        return False
    return all(store.has_result(run_id) for run_id in trial.runs)


def _outside(study: Study, trial: Trial) -> str | None:
    """The first value that its parameter cannot have."""
    for parameter in study.space:
        value = trial.values.get(parameter.name)
        if value is None:
            continue
        wrong = isinstance(parameter, Categorical) and value not in parameter.options
        if isinstance(parameter, Range):
            wrong = parameter.value_in({parameter.path: value}) is None
        if wrong and trial.values not in study.first:
            return f"{parameter.name} {value} is outside the space of the search"
    return None


def _other_runs(study: Study, task: Task, trial: Trial) -> str | None:
    """Whether the values of the trial give other runs."""
    try:
        config = config_of(study, task, trial.values)
        ids = tuple(spec_of(study, task, config, seed)[0] for seed in study.trial_seeds)
    except DataError:
        return None  # its data is not on this machine
    except (InputError, KeyError, ValueError) as error:
        return f"its values give no configuration: {error}"
    return None if ids == trial.runs else f"its values give the run {ids[0]}, but it has {trial.runs[0]}"


def _completed(
    study: Study, task: Task | None, trial: Trial, results: Sequence[Result | None], rows: Sequence[Rows]
) -> Iterator[str]:
    """A completed trial against the results of its runs."""
    if lost := [run_id for run_id, result in zip(trial.runs, results, strict=True) if result is None]:
        yield f"completed, but its run {lost[0]} has no result"
        return
    known = [result for result in results if result is not None]
    if others := [(one, result.state) for one, result in zip(trial.runs, known, strict=True) if result.state != "completed"]:
        yield f"completed, but its run {others[0][0]} {others[0][1]}"
        return
    for name in study.objectives:
        values = [result.metrics.get(name, math.nan) for result in known]
        found, told = mean(values), trial.objectives.get(name)
        if told != found and not (told is not None and math.isnan(told) and math.isnan(found)):
            yield f"{name} {told} instead of {found}, the mean over its runs"
    epochs = sum(map(len, rows))
    seconds = sum(float(row.get("seconds") or 0.0) for own in rows for row in own)
    spent = bool(trial.epochs or trial.seconds)  # early versions stored neither
    if spent and trial.epochs != epochs:
        yield f"{trial.epochs} epochs instead of {epochs}"
    if spent and not math.isclose(trial.seconds, seconds, rel_tol=1e-12):
        yield f"{trial.seconds} seconds of training instead of {seconds}"
    if task is not None:
        own = {
            run_id: facts(result, each[-1] if each else {}) for run_id, result, each in zip(trial.runs, known, rows, strict=True)
        }
        config = config_of(study, task, trial.values).model_dump(mode="json") if not _outside(study, trial) else None
        expected = described(task, config) if config is not None else None
        yield from (f"result.json of its run {run_id} {what}" for run_id, what in unlike(own, expected).items())


def _curve(study: Study, trial: Trial, rows: Rows) -> Iterator[str]:
    """The values that the pruner saw against the rows of the first run."""
    for epoch, value in (trial.curve or {}).items():
        measured = decode(rows[epoch - 1].get(study.metric)) if 0 < epoch <= len(rows) else None
        if measured != value:
            yield f"{study.metric} {value} at epoch {epoch} instead of {measured}"
            return


def _check_journal(path: Path) -> Iterator[FileFinding]:
    """Lines of the journal that are not events of Optuna; a torn last line is removed by the next writer."""
    if not atomic.exists(path):
        return
    lines = atomic.read_bytes(path).split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = json.loads(line)
            known = event["op_code"] in OPERATIONS and isinstance(event["worker_id"], str)
        except (ValueError, TypeError, KeyError):
            known = False
        if not known:
            yield FileFinding(path, f"line {number} is not an event of Optuna: {line[:40]!r}", RESTORE)
            return
    if lines[-1]:
        yield FileFinding(path, "its last line was torn when its writer was killed; it is ignored", harmless=True)


def searches_read(counts: Mapping[str, int | None]) -> str:
    """`2 searches with 60 trials`, and how many had no trials that could be read."""
    trials = sum(count for count in counts.values() if count is not None)
    unread = sum(count is None for count in counts.values())
    return f"{len(counts)} search{'es' * (len(counts) != 1)} with {trials} trial{'s' * (trials != 1)}" + (
        f" ({unread} without their trials)" if unread else ""
    )
