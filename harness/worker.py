"""`harness worker`: trains a plan or a search, then the stages that follow from its results, in one process.

Imports, data and compiled code are loaded once, for the first run.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from harness.common import choices, cli_options, patience, python_command
from harness.common.near_names import files_near, meant, near
from harness.common.stopping import Stop
from harness.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    InputError,
    PlanChanged,
    StoreError,
)
from harness.execution.machine.allocation import ONE, allocated
from harness.execution.machine.gpus import selecting
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.worker_loop import AcceleratorUnusableError, Worker, say
from harness.experiment.plan import Plan
from harness.experiment.resources import needed
from harness.experiment.study import Study
from harness.launch import early_worker
from harness.launch.remaining import runs_left, trials_left
from harness.store import atomic
from harness.store.provenance import now
from harness.store.records import Store
from harness.store.root import refuse_unusable
from harness.tasks.protocol import Accelerator
from harness.tasks.resources import NOTHING
from harness.terminal.command_line import main_of


def open_work(path: Path) -> tuple[Store, Plan | Study]:
    """The store and the plan or study of a file in the results folder. Raises InputError, StoreError."""
    if path.name != "search.json" or path.absolute().parent.parent.name != "studies":
        return open_plan(path)
    root = path.absolute().parent.parent.parent
    refuse_unusable(root)
    if not atomic.exists(path):
        close = near(path.parent.name, [folder.parent.name for folder in atomic.matches(path.parent.parent, "*/search.json")])
        raise _not_found(path, "search", [str(path.parent.parent / name / path.name) for name in close])
    store = Store.open(root, create=False, write=True)
    study = store.load_study(path.absolute().parent.name)
    if study is None:
        raise _not_found(path, "search")
    return store, study


def open_plan(path: Path) -> tuple[Store, Plan]:
    """The store and the plan of `RESULTS/plans/NAME.json`. Raises InputError, StoreError."""
    if path.suffix != ".json" or path.absolute().parent.name != "plans":
        raise InputError(f"{path}: not a plan; must be results/plans/NAME.json or results/studies/NAME/search.json")
    root = path.parent.parent
    refuse_unusable(root)
    if not atomic.exists(path):
        raise _not_found(path, "plan", files_near(path, "*.json"))
    store = Store.open(root, create=False, write=True)
    plan = store.load_plan(path.stem)
    if plan is None:
        raise StoreError(f"{path}: was removed; make it again with: harness run EXPERIMENT")
    return store, plan


def _not_found(path: Path, kind: str, close: Sequence[str] = ()) -> InputError:
    command = "sweep" if kind == "search" else "run"
    hint = f"{meant(close)} Else make" if close else "make"
    return InputError(f"{path}: {kind} not found; {hint} it with: harness {command} EXPERIMENT")


def worker(
    *,
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN", readable=False, help="results/plans/NAME.json, or of a search results/studies/NAME/search.json"
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT", help="train only this variant's runs; repeatable", rich_help_panel=cli_options.WHAT),
    ] = None,
    retry: cli_options.Retry = None,
    device: Annotated[
        Accelerator | None,
        typer.Option(metavar="cpu|cuda", help="where to train; default: the plan's device", rich_help_panel=cli_options.HOW),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="number of CPU threads; default: all", rich_help_panel=cli_options.HOW),
    ] = None,
    stop_after: cli_options.StopAfter = None,
    idle: cli_options.Idle = None,
    checkpoint_every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="time between checkpoints; default: 1m or more, so that they take at most 0.5 % of the time",
            rich_help_panel=cli_options.HOW,
        ),
    ] = None,
    keep: cli_options.Keep = None,
    track: Annotated[
        choices.Track | None,
        typer.Option(
            metavar="auto|wandb|none", help="mirror runs to Weights & Biases; default: auto", rich_help_panel=cli_options.RESULTS
        ),
    ] = None,
    options_json: Annotated[
        list[str] | None, typer.Option(hidden=True, help="WorkerOptions as JSON, from the parent process")
    ] = None,
) -> None:
    """Train the remaining runs of a plan, or a search's trials. Several workers may share the work; harness run starts its own.

    Examples:
      harness worker results/plans/leakyrelu_vs_relu.json
      harness worker results/plans/leakyrelu_vs_relu.json --stop-after 3h50m

    Exit codes:
      0   nothing is left to train
      1   a run failed or diverged, or a search found nothing
      2   bad input or usage, or an error outside of any run
      75  interrupted; the same command continues
    """
    began = time.monotonic()
    passed = {name: value for text in options_json or () for name, value in json.loads(text).items()}
    typed: dict[str, object] = {"device": device, "retry": retry, "keep": keep, "idle": idle, "stop_after": stop_after}
    typed |= {"only": only, "threads": threads, "track": track, "checkpoint_every": checkpoint_every}
    options = WorkerOptions.read(**(passed | {name: value for name, value in typed.items() if value}))
    # A replacement worker or a requeued task gets this time too: runs that failed after it are not retried again.
    options = options.replaced(retry_before=options.retry_before or now())
    stop = Stop(options.stop_after)
    stop.on_signals()
    if options.with_parent:
        stop.with_parent()
    try:
        with patience.interrupted_past_it(), patience.waiting_up_to(options.patience_s, stop):
            store, work = open_work(plan)
            with _own_gpus(store, work, options):
                code = _work(store, work, options, stop)
    except AcceleratorUnusableError:
        # A new program in the same process gets a new accelerator context.
        words = [str(plan), *options.after(time.monotonic() - began).arguments()]
        os.execv(sys.executable, [*python_command.command("harness.worker"), *words])
    raise typer.Exit(options.runs_failed_code if code == EXIT_RUNS_FAILED else code)


@contextmanager
def _own_gpus(store: Store, work: Plan | Study, options: WorkerOptions) -> Iterator[None]:
    """Leases on as many GPUs as a run needs, which are then the only ones that this process uses; none if nothing is left.

    `harness run` and SLURM give theirs to the workers that they start.
    """
    needs, device = needed(work), options.device or work.accelerator
    needs_nothing = device == "cpu" and all(each == NOTHING for each in needs.values())  # then what is left need not be read
    if options.with_parent or needs_nothing or "SLURM_JOB_ID" in os.environ:
        yield
        return
    if isinstance(work, Study):
        from harness.search.storage import storage_url

        left = trials_left(store, work, storage_url(None), options)
    else:
        left = runs_left(store, work, options)
    with allocated(needs, device, ONE, left, say) as (slot,):
        os.environ.update(selecting(slot.gpus) if slot.gpus else {})
        yield


def _work(store: Store, work: Plan | Study | None, options: WorkerOptions, stop: Stop) -> int:
    """Train a plan or a study and, without `one_stage`, the stages that follow from its results; the exit code."""
    code, study = EXIT_OK, work if isinstance(work, Study) else None
    refused: Plan | Study | None = None
    while work is not None:
        active: Worker
        if isinstance(work, Study):
            from harness.search.storage import storage_url
            from harness.search.worker import SearchWorker

            active = SearchWorker(store, work, options, stop, url=storage_url(None))
        else:
            active = PlanWorker(store, work, options, stop)
        try:
            code = active.work()
            work = None if options.one_stage else active.next_plan()
            if work is not None and stop():
                return EXIT_INTERRUPTED  # this stage is complete, the work is not
        except PlanChanged:
            # Retried runs have made another trial the winner, perhaps in another worker: the search gives the plan to confirm
            # now. The same plan refused twice is an error.
            if study is None or work == refused:
                raise
            work, refused = study, work
        except KeyboardInterrupt:
            say("stopped at once; the same command continues from the last checkpoint")
            return EXIT_INTERRUPTED
        finally:
            active.close()
    return code


main = main_of(worker)


if __name__ == "__main__":
    faulthandler.enable()
    if sys.argv[1:] == [early_worker.WAIT]:
        arguments = early_worker.received()
        if arguments is None:
            sys.exit(EXIT_OK)
        sys.argv[1:] = arguments
    sys.exit(main())
