"""Names and run ids -> where they stand: all plans and searches, one of them, one run, or how two runs differ."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from harness.console.searches.standing import SearchStanding
    from harness.console.standing import Row, Standing
    from harness.errors import HarnessError
    from harness.plan import Plan
    from harness.search import Study, Trial
    from harness.store.records import Record, Spec, Store

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

# Stages of one experiment, in their order; the one without a suffix is a search, or a plan of evidence.
STAGES = (".tuning", "", ".top", ".final")
RUN_ID_START = re.compile(r"[0-9a-f]{6,12}")


@app.command()
def status(
    names: Annotated[
        list[str] | None, typer.Argument(help="a plan or a search, a run id (its first 6 digits do), or two run ids; none: all")
    ] = None,
    results: Annotated[Path, typer.Option(help="the results folder")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="print one document for programs")] = False,
) -> None:
    """Show where plans and runs stand; of two runs, how they differ.

    \b
    Example: harness status
             harness status leakyrelu_vs_relu@smoke
             harness status 9f1c02ab77de 41aa03
    """
    from harness.errors import InputError
    from harness.frames import plan_name
    from harness.search import study_names
    from harness.store.records import Store

    store = Store.open(results, create=False)
    names = names or []
    known = {*store.plan_names(), *study_names(store)}
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
    from harness.console import documents, shell, standing
    from harness.errors import StoreError
    from harness.search import load_studies

    plans, damaged = store.load_plans()
    studies, unreadable = load_studies(store)
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
        told = {"plans": [documents.plan_standing(one) for one in standings]}
        shell.show_json({**told, "searches": [_document(one) for one in searches]})
    elif standings or searches:
        rows = [standing.row(one) for one in standings]
        if searches:
            from harness.console.searches.standing import row

            rows += [row(one) for one in searches]
        shell.show(standing.overview(ordered(rows)))
    elif not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def ordered(rows: Sequence[Row]) -> list[Row]:
    """What is worked on now stands first; the stages of one experiment stand together, in their order."""
    latest: dict[str, float] = {}
    for row in rows:
        updated = math.inf if row.updated is None else row.updated
        latest[family(row.name)] = min(updated, latest.get(family(row.name), math.inf))

    def key(row: Row) -> tuple[float, str, int]:
        own = family(row.name)
        return latest[own], own, _stage(row)

    return sorted(rows, key=key)


def family(name: str) -> str:
    """The name of the experiment that a plan or a search is a stage of."""
    return next((name.removesuffix(stage) for stage in STAGES if stage and name.endswith(stage)), name)


def _stage(row: Row) -> int:
    return next(place for place, stage in enumerate(STAGES) if row.name == family(row.name) + stage)


def _document(standing: SearchStanding) -> dict[str, Any]:
    from harness.console.searches.standing import document

    return document(standing)


def _show_one(store: Store, name: str, as_json: bool) -> None:
    """A search, else a plan; of a tuned experiment whose evidence is not planned yet, its tuning."""
    from harness.frames import stored_plan
    from harness.search import load_study, study_names

    plans = store.plan_names()
    study = load_study(store, name) if name in study_names(store) else None
    if study is not None:
        _show_search(store, study, as_json)
    elif name not in plans and f"{name}.tuning" in plans:
        _show_plan(store, stored_plan(store, f"{name}.tuning"), as_json)
    else:
        _show_plan(store, stored_plan(store, name), as_json)


def _show_search(store: Store, study: Study, as_json: bool) -> None:
    from harness.console import documents, shell
    from harness.console import queue as jobs
    from harness.console.choices import confirmed as table
    from harness.console.searches.standing import document, one_search, row
    from harness.console.standing import overview
    from harness.console.standing import row as row_of_plan
    from harness.errors import InputError
    from harness.pursue import confirmed
    from harness.search.confirm import names
    from harness.slurm.standing import submitted

    stands = stand_search(store, study)
    stages = [plan for name in names(study) if (plan := store.load_plan(name)) is not None]
    errors: list[HarnessError] = []
    standings = []
    for plan in stages:
        found, complaints = stand(store, plan, store.records([run.id for run in plan.runs]))
        standings.append(found)
        errors += complaints
    again = confirmed(store, study)
    queue, unknown = submitted(store.paths, study.name)
    trained = {**stands.records, **store.records(run.id for plan in stages for run in plan.runs)}
    if as_json:
        told = {"confirmation": [documents.plan_standing(one) for one in standings]}
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
    shell.end_with([*errors, *unknown])


def _show_plan(store: Store, plan: Plan, as_json: bool) -> None:
    from harness.console import documents, shell, standing
    from harness.console.queue import document
    from harness.slurm.standing import submitted

    records = store.records([run.id for run in plan.runs])
    stands, errors = stand(store, plan, records)
    queue, unknown = submitted(store.paths, family(plan.name))
    if as_json:
        jobs = document(queue, records)
        shell.show_json({**documents.plan_standing(stands), "runs": documents.plan_runs(plan, records), "queue": jobs})
    else:
        shell.show(standing.one_plan(stands, records, store.paths, queue))
    shell.end_with([*errors, *unknown])


def _show_runs(store: Store, run_ids: Sequence[str], as_json: bool) -> None:
    from harness.console import documents, shell, standing
    from harness.store.atomic import read_json
    from harness.store.records import Spec
    from harness.store.trialruns import memberships
    from harness.tracking import delivery

    specs: list[tuple[str, Spec]] = [(run_id, read_json(store.paths.run(run_id).spec, Spec)) for run_id in run_ids]
    if len(specs) == 2:
        first, second = specs
        if as_json:
            shell.show_json(documents.run_difference(first, second))
        else:
            shell.show(standing.two_runs(first, second))
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
        record = replace(record, metrics=unseen(record.metrics, spec))
    known = (record, spec, plans, store.paths.run(run_id), mirrored.url if mirrored else None, trials)
    if as_json:
        shell.show_json(documents.run_details(*known))
    else:
        shell.show(standing.one_run(*known))
    shell.end_with(errors)


def stand(store: Store, plan: Plan, records: dict[str, Record]) -> tuple[Standing, list[HarnessError]]:
    """A plan's counts and verdicts, and when a file of its runs last changed; and why there are no verdicts, if that is an error.

    Judging takes pandas and some milliseconds, and is left out where there is nothing to judge: without claims, and before the
    first look.
    """
    from harness.calibration import levels_for
    from harness.console.standing import Standing
    from harness.errors import InputError
    from harness.plan import task_of
    from harness.progress import in_stages, judged, standing
    from harness.task import result_metrics

    # Files are renamed into a run's folder, which marks the folder's own time.
    folders = (store.paths.run(run.id).folder for run in plan.runs if records[run.id].state != "pending")
    changed = max((folder.stat().st_mtime for folder in folders if folder.is_dir()), default=None)
    updated = None if changed is None else max(0.0, time.time() - changed)
    claimed = plan.claims or (plan.amended is not None and plan.amended.claims)
    if not claimed or not all(records[run.id].ended for run in plan.runs if run.seed < plan.after(plan.looks[0])):
        return Standing(plan, standing(plan, records), updated), []
    try:
        metrics = result_metrics(task_of(plan))
    except InputError as error:  # where the runs stand can be told without the task
        return Standing(plan, standing(plan, records, runs=plan.runs), updated), [error]
    judgement = judged(plan, records, levels_for(store, plan.looks))
    asked = tuple(run for run in plan.runs if run.seed < plan.after(judgement.horizon)) if in_stages(plan) else plan.runs
    return Standing(plan, standing(plan, records, runs=asked), updated, judgement, metrics), []


def unseen(metrics: Mapping[str, float], spec: Spec) -> dict[str, float]:
    """The metrics without those of the test split: of a run by which something is chosen, nobody is to look at them."""
    from harness.errors import InputError
    from harness.task import find_task, result_metrics

    try:
        known = result_metrics(find_task(spec.task))
    except InputError:  # then nothing tells which they are
        return {}
    return {name: value for name, value in metrics.items() if name not in known or known[name].split != "test"}


def stand_search(store: Store, study: Study) -> SearchStanding:
    """A search's trials, where they can be read from here, with the runs of those that are under way or failed.

    A trial that nobody trains any more, as far as one look tells, is an interrupted one.
    """
    from harness.console.searches.standing import SearchStanding
    from harness.errors import HarnessError, InputError
    from harness.search.desk import elsewhere, look
    from harness.search.model import task_of
    from harness.search.storage import VARIABLE, address
    from harness.task import result_metrics

    paths = store.paths.study(study.name)
    # Files are renamed and linked into a trial's folder, which marks the folder's own time.
    changed = [path.stat().st_mtime for path in (paths.journal, *paths.trials.glob("*")) if path.exists()]
    updated = max(0.0, time.time() - max(changed)) if changed else None
    try:
        metrics = result_metrics(task_of(study))
    except InputError:  # where trials stand can be told without the task
        metrics = {}
    try:
        found = look(paths, study, address(None))
    except HarnessError as error:
        return SearchStanding(study, None, updated, metrics, why=str(error))
    if found is None and elsewhere(paths):
        return SearchStanding(study, None, updated, metrics, why=f"its trials are in a database: set ${VARIABLE}")
    trials = [_as_seen(store, study, trial) for trial in found or ()]
    shown = [run for trial in trials if trial.state in ("running", "interrupted", "failed") for run in trial.runs]
    return SearchStanding(study, trials, updated, metrics, store.records(shown))


def _as_seen(store: Store, study: Study, trial: Trial) -> Trial:
    from harness.store import lease
    from harness.store.lease import Holder, Standing, Timing, Watch

    if trial.state != "running":
        return trial
    seen = lease.newest(store.paths.study(study.name).trial(trial.number))
    found = Standing.GONE if seen is None else Watch(Timing(), Holder.here()).standing(seen)
    # One look cannot see a counter stand still: then the file's age decides, which is good enough to show.
    old = seen is not None and seen.age_s > Timing().stale_s
    gone = found is Standing.GONE or (found is Standing.UNKNOWN and old)
    return replace(trial, state="interrupted") if gone else trial


def find_run(store: Store, start: str) -> str:
    """The run on disk whose id starts with `start`. Raises InputError when none or several do."""
    from harness.errors import InputError

    folders = store.paths.runs.glob(f"{start}*/spec.json")
    found = sorted(spec.parent.name for spec in folders)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"run {start!r} is not the only one; allowed: {', '.join(found[:10])}")
    raise InputError(
        f"no run {start!r} in {store.paths.runs}; it has not begun, or is elsewhere (harness status PLAN --json lists run ids)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.console.shell import run_app

    return run_app(app, argv, "harness status")


if __name__ == "__main__":
    sys.exit(main())
