"""A plan or a search -> the process that trains it, and the plans that its results lead to: `harness worker`.

Warm: imports, data and compiled code are paid once, by the first run.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.common import cli_options, python_command
from harness.common.stopping import Stop
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    HarnessError,
    InputError,
    PlanChanged,
    StoreError,
)
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.worker_loop import SpoiledError, Worker, say
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.search.storage import address
from harness.search.worker import SearchWorker
from harness.store.provenance import now
from harness.store.records import Store
from harness.store.studies import load_study


def open_work(path: Path) -> tuple[Store, Plan | Study]:
    """The store and the plan or study of a file in it. Raises InputError, StoreError."""
    if path.name != "search.json" or path.absolute().parent.parent.name != "studies":
        return open_plan(path)
    store = Store.open(path.absolute().parent.parent.parent)
    study = load_study(store, path.absolute().parent.name)
    if study is None:
        raise InputError(f"{path}: no such search; `harness sweep experiments/<name>.yaml` makes it")
    return store, study


def open_plan(path: Path) -> tuple[Store, Plan]:
    """The store and the plan of `<results>/plans/<name>.json`. Raises InputError, StoreError."""
    if path.suffix != ".json" or path.absolute().parent.name != "plans":
        allowed = "results/plans/<name>.json, which `harness run` writes, or results/studies/<name>/search.json"
        raise InputError(f"{path}: is no plan; allowed: {allowed}")
    if not path.exists():
        raise InputError(f"{path}: no such plan; `harness run experiments/<name>.yaml` makes it")
    store = Store.open(path.parent.parent)
    plan = store.load_plan(path.stem)
    if plan is None:
        raise StoreError(f"{path}: was removed just now; plan again")
    return store, plan


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m harness.worker results/plans/leakyrelu_vs_relu.json --device cuda --stop-after 3h50m")
def worker(  # noqa: PLR0917 - a command's options, each of them named
    plan: Annotated[Path, typer.Argument(help="results/plans/<name>.json, or a search: results/studies/<name>/search.json")],
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: what was planned for")] = None,
    retry: cli_options.Retry = None,
    keep: cli_options.Keep = None,
    idle: Annotated[
        str | None,
        typer.Option(help="wait so long for runs that others train, and may lose; default: 10m for the end of a look, else 0s"),
    ] = None,
    stop_after: cli_options.StopAfter = None,
    only: Annotated[list[str] | None, typer.Option(help="a variant; others are left alone")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="processor threads; default: all")] = None,
    track: Annotated[str | None, typer.Option(help="auto, wandb or none; default: auto")] = None,
    checkpoint_every: Annotated[str | None, typer.Option(help="default: from 1m on, at most 0.5 % of the time")] = None,
    options_json: Annotated[
        list[str] | None, typer.Option(hidden=True, help="what started the worker says it all in one, see execution/options.py")
    ] = None,
) -> None:
    """Train the remaining runs of a plan, or a search's trials; several workers may share them. Stopped, it loses nothing."""
    began = time.monotonic()
    said = {name: value for text in options_json or () for name, value in json.loads(text).items()}
    typed: dict[str, object] = {
        "device": device,
        "retry": retry,
        "keep": keep,
        "idle": idle,
        "stop_after": stop_after,
        "only": only,
    }
    typed |= {"threads": threads, "track": track, "checkpoint_every": checkpoint_every}
    options = WorkerOptions.read(**(said | {name: value for name, value in typed.items() if value}))
    # A worker in its place, or a task that is requeued, begins anew: what failed since then stands.
    options = options.replaced(retry_before=options.retry_before or now())
    stop = Stop(options.stop_after)
    stop.on_signals()
    if options.with_parent:
        stop.with_parent()
    try:
        code = _work(*open_work(plan), options, stop)
    except SpoiledError:
        # A fresh accelerator context in the same process.
        words = [str(plan), *options.after(time.monotonic() - began).words()]
        os.execv(sys.executable, [*python_command.command("harness.worker"), *words])
    raise typer.Exit(options.runs_failed_code if code == EXIT_RUNS_FAILED else code)


def _work(store: Store, work: Plan | Study | None, options: WorkerOptions, stop: Stop) -> int:
    """Train a plan or a study and, unless told otherwise, the plans that its results lead to; the exit code."""
    code, study = EXIT_OK, work if isinstance(work, Study) else None
    refused: Plan | Study | None = None
    while work is not None:
        at_work: Worker
        if isinstance(work, Study):
            at_work = SearchWorker(store, work, options, stop, url=address(None))
        else:
            at_work = PlanWorker(store, work, options, stop)
        try:
            code = at_work.work()
            work = None if options.one_stage else at_work.following()
            if work is not None and stop():
                return EXIT_INTERRUPTED  # what was asked for is not done, although nothing of this stage is left
        except PlanChanged:
            # Runs tried again have made another trial the winner, or another worker has seen that before: the search says what is
            # to be confirmed now. What it says twice is not tried for ever.
            if study is None or work == refused:
                raise
            work, refused = study, work
        except KeyboardInterrupt:
            say("stopped at once; the last checkpoint is kept, start again to go on")
            return EXIT_INTERRUPTED
        finally:
            at_work.close()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        app(args=None if argv is None else list(argv), prog_name="harness worker")
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_BAD_INPUT
    except Exception:  # Python's own exit code would be 1, which says that a run failed
        say(traceback.format_exc().rstrip())
        return EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
