"""A plan or a search -> the process that trains it, and the plans that its results lead to: `harness worker`.

Warm: imports, data and compiled code are paid once, by the first run.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from harness.common import cli_options, python_command
from harness.common.stopping import Stop, duration
from harness.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, HarnessError, InputError, PlanChanged, StoreError
from harness.execution.plan_worker import Worker
from harness.execution.trainer import Options, SpoiledError, cpus, say
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.search.storage import address
from harness.search.worker import SearchWorker
from harness.store.lease import Timing
from harness.store.provenance import now
from harness.store.records import Store
from harness.store.studies import load_study
from harness.tasks.protocol import Accelerator
from harness.terminal.command_line import command, explain


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


def worker(
    *,
    plan: Annotated[
        Path,
        typer.Argument(metavar="PLAN", help="results/plans/NAME.json, or of a search results/studies/NAME/search.json"),
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
    track: cli_options.Track = "auto",
    mirror_descriptor: Annotated[int | None, typer.Option(hidden=True)] = None,
    one_stage: Annotated[bool, typer.Option(hidden=True, help="leave the plans that follow to others")] = False,
    with_parent: Annotated[bool, typer.Option(hidden=True, help="stop when standard input ends")] = False,
    beat_s: Annotated[float, typer.Option(hidden=True)] = Timing.beat_s,
    stale_s: Annotated[float, typer.Option(hidden=True)] = Timing.stale_s,
    poll_s: Annotated[float, typer.Option(hidden=True)] = Options.poll_s,
    retry_before: Annotated[str | None, typer.Option(hidden=True, help="ISO 8601, UTC")] = None,
) -> None:
    """Train the remaining runs of a plan, or a search's trials. Several workers may share them; harness run starts its own.

    Examples:
      harness worker results/plans/leakyrelu_vs_relu.json
      harness worker results/plans/leakyrelu_vs_relu.json --stop-after 3h50m

    Exit codes:
      0   nothing is left to train
      1   a run failed or diverged
      2   bad input or usage, or an error outside of any run
      75  interrupted; the same command continues
    """
    _check({"--idle": idle, "--stop-after": stop_after, "--checkpoint-every": checkpoint_every})
    stop = Stop(None if stop_after is None else duration(stop_after))
    stop.on_signals()
    if with_parent:
        stop.with_parent()
    store, loaded = open_work(plan)
    options = Options(
        device=loaded.accelerator if device is None else device,
        threads=threads or cpus(),
        only=frozenset(only or ()),
        retry=frozenset(retry or ()),
        retry_before=retry_before or now(),
        keep_weights=keep == "weights",
        idle_s=None if idle is None else duration(idle),
        track=track,
        mirror_descriptor=mirror_descriptor,
        checkpoint_every_s=None if checkpoint_every is None else duration(checkpoint_every),
        poll_s=poll_s,
        one_stage=one_stage,
        timing=Timing(beat_s, stale_s),
        command=tuple(sys.argv),
    )
    raise typer.Exit(_work(store, loaded, options, stop))


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The command's parameters when it is called with `words`; runs nothing. Raises InputError for what it would refuse."""
    try:
        # Asked for help it would print it, and end this process.
        found = command(worker).make_context("harness worker", list(words), help_option_names=[]).params
    except TyperException as error:
        raise InputError(explain(error)) from error
    lengths = {f"--{name.replace('_', '-')}": found[name] for name in ("idle", "stop_after", "checkpoint_every")}
    _check(lengths)
    return dict(found)


def again(words: Sequence[str], began: str, elapsed_s: float) -> list[str]:
    """The words of a worker in the place of one that was called with `words` at `began`, `elapsed_s` ago.

    What --retry asked for was retried: the failures since then stand. It stops when that one would have.
    """
    given = parsed(words)
    found = [*words, "--retry-before", given["retry_before"] or began]
    if given["stop_after"] is not None:
        found += ["--stop-after", f"{max(0.0, duration(given['stop_after']) - elapsed_s):.3f}s"]
    return found


def _check(lengths: Mapping[str, str | None]) -> None:
    """Raises InputError for a length of time that is none; `lengths` by their options."""
    for option, text in lengths.items():
        try:
            duration(text or "0s")
        except InputError as error:
            raise InputError(f"{option}: {error}") from error


def _work(store: Store, work: Plan | Study | None, options: Options, stop: Stop) -> int:
    """Train a plan or a study and, unless told otherwise, the plans that its results lead to; the exit code."""
    code, study = EXIT_OK, work if isinstance(work, Study) else None
    refused: Plan | Study | None = None
    while work is not None:
        at_work: Worker | SearchWorker
        if isinstance(work, Study):
            at_work = SearchWorker(store, work, options, stop, url=address(None))
        else:
            at_work = Worker(store, work, options, stop)
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
    """The command; returns its exit code. Raises SpoiledError."""
    try:
        code: int | None = command(worker).main(argv, "harness worker", standalone_mode=False)
    except TyperException as error:
        say(explain(error))
        return EXIT_BAD_INPUT
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except SpoiledError:
        raise
    except Exception:  # Python's own exit code would be 1, which says that a run failed
        say(traceback.format_exc().rstrip())
        return EXIT_BAD_INPUT
    return code or EXIT_OK


if __name__ == "__main__":
    faulthandler.enable()
    began, began_s = now(), time.monotonic()
    try:
        sys.exit(main())
    except SpoiledError:
        # A fresh accelerator context in the same process.
        words = again(sys.argv[1:], began, time.monotonic() - began_s)
        os.execv(sys.executable, [*python_command.command("harness.worker"), *words])
