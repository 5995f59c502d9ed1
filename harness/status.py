"""Names and run ids -> where they stand: all plans and searches, one of them, one run, or how two runs differ."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of
from harness.terminal.completion import completer, plans

if TYPE_CHECKING:
    from harness.errors import HarnessError
    from harness.experiment.plan import Plan
    from harness.experiment.run_id import Spec
    from harness.experiment.study import Study
    from harness.store.records import Record, Store
    from harness.tasks.protocol import Metric


def status(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="a plan or a search, a run id (6 or more digits), or two run ids; default: all plans and searches",
            autocompletion=completer(plans),
        ),
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
    from harness.store.frames import plan_name
    from harness.store.paths import RUN_ID_START
    from harness.store.records import Store, find_run

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
        raise InputError(f"{' '.join(names)}: too many; allowed: one plan or search, one run id, two run ids, or nothing for all")


def _show_all(store: Store, as_json: bool) -> None:
    from harness.errors import StoreError
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.terminal.overview import ordered, stand, stand_search
    from harness.terminal.search_status import document, row

    plans, damaged = store.load_plans()
    studies, unreadable = store.load_studies()
    errors: list[HarnessError] = [*damaged, *unreadable]
    records: dict[str, Record] = {}
    standings = []
    for plan in plans:
        try:
            # Plans share runs.
            records.update(store.records(run.id for run in plan.runs if run.id not in records))
        except StoreError as error:
            errors.append(error)
            continue
        stands, complaints = stand(store, plan, {run.id: records[run.id] for run in plan.runs})
        standings.append(stands)
        errors += complaints
    searches = [stand_search(store, study) for study in studies]
    if as_json:
        told = {"plans": [json_output.plan_standing(one) for one in standings]}
        shell.show_json({**told, "searches": [document(one) for one in searches]})
    elif standings or searches:
        rows = [*map(status_screen.row, standings), *map(row, searches)]
        shell.show(status_screen.overview(ordered(rows)))
    elif not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def _show_one(store: Store, name: str, as_json: bool) -> None:
    """A search, else a plan; of a tuned experiment whose evidence is not planned yet, its tuning."""
    from harness.experiment.plan import stage_name
    from harness.store.frames import stored_plan

    plans = store.plan_names()
    study = store.load_study(name) if name in store.study_names() else None
    if study is not None:
        _show_search(store, study, as_json)
    elif name not in plans and (tuning := stage_name(name, "tuning")) in plans:
        _show_plan(store, stored_plan(store, tuning), as_json)
    else:
        _show_plan(store, stored_plan(store, name), as_json)


def _show_search(store: Store, study: Study, as_json: bool) -> None:
    from harness.errors import InputError
    from harness.launch.outcome import confirmed
    from harness.slurm.job_status import submitted
    from harness.terminal import json_output, shell
    from harness.terminal import queue as jobs
    from harness.terminal.choices import confirmed as table
    from harness.terminal.overview import stand, stand_search
    from harness.terminal.search_status import document, one_search, row
    from harness.terminal.status import overview
    from harness.terminal.status import row as row_of_plan

    stands = stand_search(store, study)
    stages = store.confirmation(study)
    errors: list[HarnessError] = []
    standings = []
    for plan in stages:
        found, complaints = stand(store, plan, store.records([run.id for run in plan.runs]))
        standings.append(found)
        errors += complaints
    again = confirmed(store, study)
    queue, damaged, untold = submitted(store.paths, study.name)
    trained = {**stands.records, **store.records(run.id for plan in stages for run in plan.runs)}
    if as_json:
        told = {"confirmation": [json_output.plan_standing(one) for one in standings]}
        shell.show_json({**document(stands), **told, "queue": jobs.document(queue, trained)})
    else:
        shown = None
        if again is not None and stands.trials is not None:
            try:
                shown = table(study, stands.trials, again.plan, again.records, again.winner)
            except InputError as error:
                errors.append(error)
        rows = overview([row(stands), *map(row_of_plan, standings)])
        shell.show(one_search(stands, rows, store.paths, shown))
        if queue is not None:
            names_of = {run: f"trial {trial.number}" for trial in stands.trials or () for run in trial.runs}
            names_of |= {run.id: f"{run.variant} seed {run.seed}" for plan in stages for run in plan.runs}
            shell.show("", *jobs.table(queue, trained, names_of))
    if untold is not None:
        shell.say(untold)
    shell.end_with([*errors, *damaged])


def _show_plan(store: Store, plan: Plan, as_json: bool) -> None:
    from harness.slurm.job_status import submitted
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.terminal.overview import stand
    from harness.terminal.queue import document

    records = store.records([run.id for run in plan.runs])
    stands, errors = stand(store, plan, records)
    queue, damaged, untold = submitted(store.paths, plan.family)
    if plan.program is not None:
        begun = [run.id for run in plan.runs if records[run.id].state != "pending"]
        stands = replace(stands, resumed=sum(resumed(store, run_id) for run_id in begun))
    if as_json:
        jobs = document(queue, records)
        shell.show_json({**json_output.plan_standing(stands), "runs": json_output.plan_runs(plan, records), "queue": jobs})
    else:
        shell.show(status_screen.one_plan(stands, records, store.paths, queue))
    if untold is not None:
        shell.say(untold)
    shell.end_with([*errors, *damaged])


def _show_runs(store: Store, run_ids: Sequence[str], as_json: bool) -> None:
    from harness.experiment.run_id import Spec
    from harness.store.atomic import read_json
    from harness.store.trial_runs import memberships
    from harness.terminal import json_output, shell
    from harness.terminal import status as status_screen
    from harness.tracking import delivery

    specs: list[tuple[str, Spec]] = [(run_id, read_json(store.paths.run(run_id).spec, Spec)) for run_id in run_ids]
    if len(specs) == 2:
        first, second = specs
        if as_json:
            shell.show_json(json_output.run_difference(first, second))
        else:
            shell.show(status_screen.two_runs(first, second))
        return
    run_id, spec = specs[0]
    loaded, errors = store.load_plans()
    plans = [plan.name for plan in loaded if any(run.id == run_id for run in plan.runs)]
    mirrored = delivery.load(store.paths, run_id)
    trials = [f"{each.study} trial {each.number}" for each in memberships(store.paths).get(run_id, ())]
    chosen_by = trials or any(plan.name in plans and plan.selection for plan in loaded)
    evidence = any(plan.name in plans and plan.selection is None for plan in loaded)
    record = store.record(run_id)
    if chosen_by and not evidence:
        record = replace(record, metrics=unseen(record.metrics, metrics_of(store, loaded, run_id)))
    known = (record, spec, plans, store.paths.run(run_id), mirrored.url if mirrored else None, trials)
    by_program = spec.program is not None and resumed(store, run_id)
    if as_json:
        shell.show_json(json_output.run_details(*known, resumed=by_program))
    else:
        shell.show(status_screen.one_run(*known, resumed=by_program))
    shell.end_with(errors)


def resumed(store: Store, run_id: str) -> bool:
    """Whether a program went on with the run by itself; of a run whose provenance is missing or damaged that is not known."""
    from harness.errors import StoreError
    from harness.store.atomic import read_json
    from harness.store.provenance import Provenance

    try:
        return read_json(store.paths.run(run_id).provenance, Provenance).resumed
    except (FileNotFoundError, StoreError):
        return False


def unseen(metrics: Mapping[str, float], known: Mapping[str, Metric] | None) -> dict[str, float]:
    """The metrics without those of the test split: of a run by which something is chosen, nobody is to look at them."""
    if known is None:  # then nothing tells which they are
        return {}
    return {name: value for name, value in metrics.items() if name not in known or known[name].split != "test"}


def metrics_of(store: Store, plans: Sequence[Plan], run_id: str) -> Mapping[str, Metric] | None:
    """What the task of a run that something is chosen by measures; None where that cannot be told here."""
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
