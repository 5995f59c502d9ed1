"""Run ids, or none -> whether their files are whole; with --retrain, whether a run trained again gives the same bits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import choices, cli_options
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.execution.retrain import Repetition
    from harness.store.records import Store


def verify(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="run ids (6 or more digits); default: every run, plan and search"),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="train the runs again in a temporary folder and compare the bits")
    ] = False,
    device: Annotated[
        choices.Device, typer.Option(metavar="auto|cpu|cuda", help="for --retrain; auto: the device of the first time")
    ] = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Check that every file in the results folder is undamaged and consistent with the others. Writes nothing.

    Examples:
      harness verify
      harness verify 9f1c02ab77de --retrain

    Exit codes:
      0   nothing is wrong
      1   a file is damaged or inconsistent, or a run trained again gave other bits
      2   bad input or usage
      75  interrupted
    """
    from harness.errors import EXIT_RUNS_FAILED, InputError
    from harness.store.check.folder import check_store
    from harness.store.check.run import check_run
    from harness.store.paths import RunPaths
    from harness.store.records import Store
    from harness.terminal import shell, verified

    if device != "auto" and not retrain:
        raise InputError("--device: says where to train again; allowed: with --retrain")
    if retrain and not ids:
        raise InputError("--retrain: trains runs again, so name them; harness status PLAN --json lists run ids")
    store = Store.open(results, create=False)
    if ids:
        chosen, plans = list(dict.fromkeys(find_folder(store, start) for start in ids)), 0
        found = [each for run_id in chosen for each in check_run(RunPaths(store.paths.runs / run_id))]
        looked_at = ", ".join(chosen)
    else:
        chosen, loaded, found = check_store(store)
        plans = len(loaded)
        searches = len(store.study_names())
        kinds = [(len(chosen), "run"), (plans, "plan"), *([(searches, "search")] if searches else [])]
        *others, last = (f"{count} {kind}{('es' if kind == 'search' else 's') * (count != 1)}" for count, kind in kinds)
        looked_at = f"{', '.join(others)} and {last}"
    wrong = any(not each.harmless for each in found)
    if not as_json:
        shell.show(verified.findings(looked_at, found))
    if retrain and wrong:
        shell.say("nothing was trained: first see to what is wrong")
    repeated: list[Repetition] = []
    for run_id in chosen if retrain and not wrong else ():
        repeated.append(_repeated(store, run_id, device))
        if not as_json:
            shell.show(verified.repetition(repeated[-1]))
    if as_json:
        shell.show_json(verified.document(len(chosen), plans, found, repeated))
    if wrong or not all(each.passed for each in repeated):
        raise typer.Exit(EXIT_RUNS_FAILED)


def _repeated(store: Store, run_id: str, device: choices.Device) -> Repetition:
    from harness.common.stopping import Stop
    from harness.errors import Interrupted
    from harness.execution.retrain import repeat
    from harness.terminal import shell

    stop = Stop()
    stop.on_signals()
    seconds = store.record(run_id).seconds
    shell.say(
        f"{run_id}: training again in a temporary folder{'' if seconds is None else f'; the first time took {seconds:.0f} s'}"
    )
    try:
        return repeat(store, run_id, device, stop)
    except (Interrupted, KeyboardInterrupt) as stopped:
        raise Interrupted(f"{run_id}: stopped; nothing of it is kept") from stopped


def find_folder(store: Store, start: str) -> str:
    """The run on disk whose id starts with `start`, however damaged. Raises InputError when none or several do."""
    from harness.errors import InputError
    from harness.store.paths import RUN_ID_START

    if not RUN_ID_START.fullmatch(start):
        raise InputError(f"{start!r} is no run id; allowed: 6 to 12 of the digits 0-9 a-f")
    found = sorted(path.name for path in store.paths.runs.glob(f"{start}*") if RUN_ID_START.fullmatch(path.name))
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"run {start!r} is not the only one; allowed: {', '.join(found[:10])}")
    raise InputError(f"no run {start!r} in {store.paths.runs}; harness status PLAN --json lists run ids")


main = main_of(verify)

if __name__ == "__main__":
    sys.exit(main())
