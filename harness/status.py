"""Names and run ids -> where they stand: all plans, one plan, one run, or how two runs differ."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.console.standing import Standing
    from harness.errors import HarnessError
    from harness.plan import Plan
    from harness.slurm.queue import Queue
    from harness.store.records import Record, Store

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

RUN_ID_START = re.compile(r"[0-9a-f]{6,12}")


@app.command()
def status(
    names: Annotated[
        list[str] | None, typer.Argument(help="a plan, a run id (its first 6 digits do), or two run ids; none: all plans")
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
    from harness.frames import stored_plan
    from harness.store.records import Store

    store = Store.open(results, create=False)
    names = names or []
    known = set(store.plan_names())
    runs = [name for name in names if RUN_ID_START.fullmatch(name) and name not in known]
    if runs and len(runs) == len(names) <= 2:
        _show_runs(store, [find_run(store, name) for name in runs], as_json)
    elif len(names) == 1:
        _show_plan(store, stored_plan(store, names[0]), as_json)
    elif not names:
        _show_all(store, as_json)
    else:
        raise InputError(f"{' '.join(names)}: too many; allowed: one plan, one run id, two run ids, or nothing for all plans")


def _show_all(store: Store, as_json: bool) -> None:
    from harness.console import documents, shell, standing
    from harness.errors import StoreError

    plans, damaged = store.load_plans()
    errors: list[HarnessError] = [*damaged]
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
    # What is worked on now stands first.
    standings.sort(key=lambda one: (one.updated is None, one.updated or 0.0, one.plan.name))
    if as_json:
        shell.show_json({"plans": [documents.plan_standing(one) for one in standings]})
    elif standings:
        shell.show(standing.overview(standings))
    elif not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def _show_plan(store: Store, plan: Plan, as_json: bool) -> None:
    from harness.console import documents, shell, standing

    records = store.records([run.id for run in plan.runs])
    stands, errors = stand(store, plan, records)
    queue, unknown = submitted(store, plan.name)
    if as_json:
        jobs = documents.queue_standing(records, queue)
        shell.show_json({**documents.plan_standing(stands), "runs": documents.plan_runs(plan, records), "queue": jobs})
    else:
        shell.show(standing.one_plan(stands, records, store.paths, queue))
    shell.end_with([*errors, *unknown])


def _show_runs(store: Store, run_ids: Sequence[str], as_json: bool) -> None:
    from harness.console import documents, shell, standing
    from harness.store.atomic import read_json
    from harness.store.records import Spec
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
    known = (store.record(run_id), spec, plans, store.paths.run(run_id), mirrored.url if mirrored else None)
    if as_json:
        shell.show_json(documents.run_details(*known))
    else:
        shell.show(standing.one_run(*known))
    shell.end_with(errors)


def submitted(store: Store, name: str) -> tuple[Queue | None, list[HarnessError]]:
    """What was submitted to a cluster for a plan or a search, and what its queue says of it; None: nothing, or nobody to ask.

    Only submissions that are still in the queue are shown, else the last one. Beside it, what kept the queue from being read.
    """
    from harness.errors import HarnessError
    from harness.slurm import cluster, queue, submission

    submissions, damaged = submission.load_all(store.paths, name)
    live = [one for one in submissions if not one.cancelled]
    errors: list[HarnessError] = [*damaged]
    if not live or not cluster.available("squeue"):
        return None, errors
    try:
        tasks = queue.queued([job for one in live for job in one.all_jobs])
        last = live[-1]
        if all(task.ended for task in tasks):
            tasks = [task for task in tasks if task.job in last.all_jobs]
            tasks = sorted([*tasks, *queue.forgotten(last.all_jobs, tasks)], key=queue.order)
        else:
            waiting = {task.job for task in tasks if not task.ended}
            live = [one for one in live if waiting & set(one.all_jobs)]
            tasks = [task for task in tasks if any(task.job in one.all_jobs for one in live)]
    except HarnessError as error:  # where the runs stand is known without it
        return None, [*errors, error]
    return queue.Queue(tuple(tasks), frozenset(one.report for one in live if one.report), str(last.folder(store.paths))), errors


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
