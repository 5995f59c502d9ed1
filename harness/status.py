"""`harness status`: shows the progress of plans and searches, one run, or the difference between two runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from harness.common import cli_options
from harness.terminal.command_line import main_of
from harness.terminal.completion import names_argument

if TYPE_CHECKING:
    from harness.errors import HarnessError
    from harness.experiment.plan import Plan
    from harness.experiment.run_id import Spec
    from harness.experiment.study import Study
    from harness.store.records import Record, Store
    from harness.tasks.protocol import Metric


def status(
    names: Annotated[
        list[str] | None, names_argument("a plan or a search, a run id (6 or more digits), or two run ids; default: all")
    ] = None,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Show the progress of all plans and searches, of one of them, or of one run; of two runs, how they differ.

    Examples:
      harness status
      harness status leakyrelu_vs_relu@smoke
      harness status 9f1c02ab77de 41aa03

    Exit codes:
      0   shown
      2   bad input or usage, or a file that cannot be read
    """
    from harness.errors import InputError
    from harness.store.lookup import find_run, plan_name
    from harness.store.paths import RUN_ID_START
    from harness.store.records import Store

    store = Store.open(results, create=False)
    names = names or []
    known = {*store.plan_names(), *store.study_names()}
    runs = [name for name in names if RUN_ID_START.fullmatch(name) and name not in known]
    if runs and len(runs) == len(names) <= 2:
        _show_runs(store, [find_run(store, name) for name in runs], as_json)
    elif len(names) == 1:
        _show_one(store, plan_name(names[0]), as_json)
    elif not names:
        _show_all(store, as_json)
    else:
        raise InputError(f"too many names: {' '.join(names)}; give one plan or search, one run id, two run ids, or none for all")


def _show_all(store: Store, as_json: bool) -> None:
    from harness.errors import StoreError
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.terminal.overview import ordered, read_plan_status, read_search_status
    from harness.terminal.search_status import document, row

    plans, damaged = store.load_plans()
    studies, unreadable = store.load_studies()
    errors: list[HarnessError] = [*damaged, *unreadable]
    records: dict[str, Record] = {}
    statuses = []
    for plan in plans:
        try:
            # Plans may share runs.
            records.update(store.records(run.id for run in plan.runs if run.id not in records))
        except StoreError as error:
            errors.append(error)
            continue
        status, complaints = read_plan_status(store, plan, {run.id: records[run.id] for run in plan.runs})
        statuses.append(status)
        errors += complaints
    searches = [read_search_status(store, study) for study in studies]
    if as_json:
        document_of_plans = {"plans": [json_output.plan_status(one) for one in statuses]}
        shell.show_json({**document_of_plans, "searches": [document(one) for one in searches]})
    elif statuses or searches:
        rows = [*map(status_screen.row, statuses), *map(row, searches)]
        shell.show(status_screen.overview(ordered(rows)))
    elif not errors:
        shell.say(f"no plans in {store.paths.plans}; make one with: harness run NAME (harness list shows the names)")
    shell.end_with(errors)


def _show_one(store: Store, name: str, as_json: bool) -> None:
    """A search, else a plan; for a tuned experiment without its final plan, the plan of the tuning stage."""
    from harness.experiment.plan import stage_name
    from harness.store.lookup import stored_plan, unknown_name

    plans = store.plan_names()
    study = store.load_study(name) if name in store.study_names() else None
    if study is not None:
        _show_search(store, study, as_json)
    elif name not in plans and (tuning := stage_name(name, "tuning")) in plans:
        _show_plan(store, stored_plan(store, tuning), as_json)
    elif name in plans:
        _show_plan(store, stored_plan(store, name), as_json)
    else:
        raise unknown_name(store, name, runs=True)


def _show_search(store: Store, study: Study, as_json: bool) -> None:
    from harness.errors import InputError
    from harness.launch.search_outcome import confirmed
    from harness.slurm.job_status import submitted
    from harness.terminal import json_output, shell
    from harness.terminal import queue as jobs
    from harness.terminal.choices import confirmed as table
    from harness.terminal.overview import read_plan_status, read_search_status
    from harness.terminal.search_status import document, one_search, row
    from harness.terminal.status import overview
    from harness.terminal.status import row as row_of_plan

    status = read_search_status(store, study)
    stages = store.confirmation(study)
    errors: list[HarnessError] = []
    statuses = []
    for plan in stages:
        found, complaints = read_plan_status(store, plan, store.records([run.id for run in plan.runs]))
        statuses.append(found)
        errors += complaints
    confirmation = confirmed(store, study)
    queue, damaged, queue_error = submitted(store.paths, study.name)
    trained = {**status.records, **store.records(run.id for plan in stages for run in plan.runs)}
    if as_json:
        stages_of = {"confirmation": [json_output.plan_status(one) for one in statuses]}
        shell.show_json({**document(status), **stages_of, "queue": jobs.document(queue, trained)})
    else:
        shown = None
        if confirmation is not None and status.trials is not None:
            try:
                shown = table(study, status.trials, confirmation.plan, confirmation.records, confirmation.winner)
            except InputError as error:
                errors.append(error)
        rows = overview([row(status), *map(row_of_plan, statuses)])
        shell.show(one_search(status, rows, store.paths, shown))
        if queue is not None:
            names_of = {run: f"trial {trial.number}" for trial in status.trials or () for run in trial.runs}
            names_of |= {run.id: f"{run.variant} seed {run.seed}" for plan in stages for run in plan.runs}
            shell.show("", *jobs.table(queue, trained, names_of))
    if queue_error is not None:
        shell.say(queue_error)
    shell.end_with([*errors, *damaged])


def _show_plan(store: Store, plan: Plan, as_json: bool) -> None:
    from harness.experiment.steps import known_steps
    from harness.slurm.job_status import submitted
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.terminal.overview import read_plan_status
    from harness.terminal.queue import document

    records = store.records([run.id for run in plan.runs])
    status, errors = read_plan_status(store, plan, records)
    queue, damaged, queue_error = submitted(store.paths, plan.family)
    if plan.program is not None:
        started = [run.id for run in plan.runs if records[run.id].state != "pending"]
        status = replace(status, resumed=sum(resumed(store, run_id) for run_id in started))
    steps = known_steps(plan, of_programs=True)
    status = replace(status, steps=steps, of_steps=store.records(steps))
    if as_json:
        jobs, runs = document(queue, records), json_output.plan_runs(plan, records)
        own = json_output.step_runs(steps, status.of_steps)
        shell.show_json({**json_output.plan_status(status), "runs": runs, "steps": own, "queue": jobs})
    else:
        shell.show(status_screen.one_plan(status, records, store.paths, queue))
    if queue_error is not None:
        shell.say(queue_error)
    shell.end_with([*errors, *damaged])


def _show_runs(store: Store, run_ids: Sequence[str], as_json: bool) -> None:
    from harness.experiment.run_id import Spec
    from harness.store.atomic import read_json
    from harness.store.run_places import places_of
    from harness.tasks.protocol import without_test_metrics
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.tracking import delivery

    specs: list[tuple[str, Spec]] = [(run_id, read_json(store.paths.run(run_id).spec, Spec)) for run_id in run_ids]
    loaded, errors = store.load_plans()
    places = [places_of(store.paths, loaded, run_id) for run_id in run_ids]
    if len(specs) == 2:
        first, second = specs
        records = [store.record(run_id) for run_id in run_ids]
        if as_json:
            shell.show_json(json_output.run_difference(first, second, places))
        else:
            shell.show(status_screen.two_runs(first, second, places, records))
        shell.end_with(errors)
        return
    (run_id, spec), place = specs[0], places[0]
    mirrored = delivery.load(store.paths, run_id)
    record = store.record(run_id)
    if place.chooses:
        record = replace(record, metrics=without_test_metrics(record.metrics, task_metrics(store, loaded, run_id)))
    known = (record, spec, place, store.paths.run(run_id), mirrored.url if mirrored else None)
    by_program = spec.program is not None and resumed(store, run_id)
    if as_json:
        shell.show_json(json_output.run_details(*known, resumed=by_program))
    else:
        shell.show(status_screen.one_run(*known, resumed=by_program))
    shell.end_with(errors)


def resumed(store: Store, run_id: str) -> bool:
    """Whether the program resumed the run by itself; False when the provenance is missing or damaged."""
    from harness.errors import StoreError
    from harness.store.atomic import read_json
    from harness.store.provenance import Provenance

    try:
        return read_json(store.paths.run(run_id).provenance, Provenance).resumed
    except (FileNotFoundError, StoreError):
        return False


def task_metrics(store: Store, plans: Sequence[Plan], run_id: str) -> Mapping[str, Metric] | None:
    """The metrics of a run's task; None when the task cannot be loaded here."""
    from harness.errors import HarnessError
    from harness.experiment.plan import task_of
    from harness.experiment.study import task_of as searched
    from harness.store.trial_runs import memberships
    from harness.tasks.protocol import result_metrics

    try:
        for plan in plans:
            if any(run.id == run_id for run in plan.runs):
                return result_metrics(task_of(plan))
        for each in memberships(store.paths).get(run_id, ()):
            if study := store.load_study(each.study):
                return result_metrics(searched(study))
    except HarnessError:  # a damaged file, or a task that cannot be loaded
        return None
    return None


main = main_of(status)

if __name__ == "__main__":
    sys.exit(main())
