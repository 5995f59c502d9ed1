"""`harness verify`: checks the results folder for damage; with --retrain, compares a repeated run bit by bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import choices, cli_options
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.execution.retrain import Repetition
    from harness.store.check.finding import FileFinding
    from harness.store.records import Store


def verify(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="run ids (6 or more digits); default: every run, plan and search"),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="repeat the runs in a temporary folder and compare the bits")
    ] = False,
    device: Annotated[
        choices.Device, typer.Option(metavar="auto|cpu|cuda", help="device for --retrain; auto: that of the original run")
    ] = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Check the files in the results folder against each other: runs, plans, and searches with their trials. Writes nothing.

    Examples:
      harness verify
      harness verify 9f1c02ab77de --retrain

    Exit codes:
      0   nothing is wrong
      1   a file is damaged or inconsistent, or a repeated run gave other bits
      2   bad input or usage
      75  interrupted
    """
    from harness.errors import EXIT_RUNS_FAILED, InputError, Interrupted
    from harness.store.check.run import check_run
    from harness.store.ledger.history import folder_standing
    from harness.store.lookup import find_run
    from harness.store.paths import RUN_ID_START, RunPaths
    from harness.store.records import Store
    from harness.terminal import shell, verified

    if device != "auto" and not retrain:
        raise InputError("--device: has no effect without --retrain; add --retrain")
    if retrain and not ids:
        raise InputError("--retrain: no run ids given; harness status PLAN --json lists them")
    store = Store.open(results, create=False)
    for start in ids or ():
        if not RUN_ID_START.fullmatch(start):
            raise InputError(f"invalid run id {start!r}; must be 6 to 12 of the digits 0-9 a-f")
    try:
        if ids:
            chosen, plans = list(dict.fromkeys(find_run(store, start, damaged=True) for start in ids)), 0
            found = [each for run_id in chosen for each in check_run(RunPaths(store.paths.runs / run_id))]
            checked = ", ".join(chosen)
        else:
            chosen, plans, found, checked = _check_all(store)
    except KeyboardInterrupt as stopped:
        raise Interrupted("stopped before everything was checked; nothing was written") from stopped
    wrong = any(not each.harmless for each in found)
    ledger = folder_standing(store.paths)
    if not as_json:
        shell.show(verified.findings(checked, found), *(() if ids else (verified.kept(ledger),)))
    if retrain and wrong:
        shell.say("nothing was trained: fix the problems above first")
    repetitions: list[Repetition] = []
    for run_id in chosen if retrain and not wrong else ():
        repetitions.append(_repeat(store, run_id, device))
        if not as_json:
            shell.show(verified.repetition(repetitions[-1]))
    if as_json:
        shell.show_json(verified.document(len(chosen), plans, found, repetitions, ledger))
    if wrong or not all(each.passed for each in repetitions):
        raise typer.Exit(EXIT_RUNS_FAILED)


def _check_all(store: Store) -> tuple[list[str], int, list[FileFinding], str]:
    """Every run id on disk, the number of plans, all findings, and in words what was checked."""
    from harness.execution.chosen_check import check_chosen
    from harness.store.check.folder import check_store
    from harness.terminal.progress_line import progress_line

    with progress_line("checking runs") as progress:
        run_ids, plans, found = check_store(store, progress)
    found += [each for plan in plans for each in check_chosen(store, plan)]
    parts = [f"{count} {kind}{'s' * (count != 1)}" for count, kind in ((len(run_ids), "run"), (len(plans), "plan"))]
    if store.study_names():  # Optuna takes a while to import
        from harness.search.check import check_searches, searches_read
        from harness.search.storage import storage_url

        trials, of_searches = check_searches(store, storage_url(None))
        found += of_searches
        parts.append(searches_read(trials))
    return run_ids, len(plans), found, f"{', '.join(parts[:-1])} and {parts[-1]}"


def _repeat(store: Store, run_id: str, device: choices.Device) -> Repetition:
    from harness.common.stopping import Stop
    from harness.errors import Interrupted
    from harness.execution.retrain import repeat
    from harness.terminal import shell

    stop = Stop()
    stop.on_signals()
    seconds = store.record(run_id).seconds
    shell.say(
        f"{run_id}: repeating the run in a temporary folder{'' if seconds is None else f'; the original took {seconds:.0f} s'}"
    )
    try:
        return repeat(store, run_id, device, stop)
    except (Interrupted, KeyboardInterrupt) as stopped:
        raise Interrupted(f"{run_id}: stopped; the repetition was discarded") from stopped


main = main_of(verify)

if __name__ == "__main__":
    sys.exit(main())
