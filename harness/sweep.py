"""An experiment with a search -> its trials, the best of them confirmed on fresh seeds, and a verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import cli_options
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.execution.options import WorkerOptions
    from harness.experiment import Experiment
    from harness.experiment.study import Study
    from harness.launch.outcome import SearchOutcome


def study_of(experiment: Experiment, device: str = "auto", trials: int | None = None) -> Study:
    """The search of an experiment on a device, with `trials` in place of the declared target. Raises InputError, DataError."""
    from harness.execution.devices import resolve_device
    from harness.experiment.study import make_study

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: {device!r} is no device; allowed: auto, cpu, cuda")
    if trials is not None and trials < 1:
        raise InputError(f"--trials: {trials} is no target; allowed: a number from 1")
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    return make_study(experiment, resolve_device(device), trials, created)  # type: ignore[arg-type]  # checked above


def run_search(
    experiment: Experiment,
    results: str | Path = "results",
    *,
    trials: int | None = None,
    device: str = "auto",
    storage: str | None = None,
    replan: bool = False,
    workers: int = 1,
    options: WorkerOptions | None = None,
) -> SearchOutcome:
    """Search with child workers up to the target, show progress on stderr, then confirm the best trials and write the reports.

    `storage`: see `harness.search.storage.address`. Started again, it goes on where it was; with a higher `trials` further.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError for bad input, for a changed search and for a storage or a results folder that cannot be used.
    """
    from harness.execution.options import WorkerOptions
    from harness.launch.search_supervisor import supervise_search
    from harness.search.reconcile import prepare
    from harness.search.storage import address, refuse_other_storage
    from harness.store.records import Store

    options = options or WorkerOptions()
    options.check()
    asked, url = study_of(experiment, device, trials), address(storage)
    store = Store.open(Path(results))
    if not replan:
        refuse_other_storage(store.paths.study(asked.name), url)
    return supervise_search(store, prepare(store, asked, replan), options, workers, url=url, replan=replan)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m harness.sweep experiments/search.yaml --trials 100 --workers 2")
def sweep(  # noqa: PLR0917 - a command's options, each of them named
    experiment: Annotated[str, typer.Argument(help="a YAML with a search: its path, its name, or name@profile")],
    trials: Annotated[int | None, typer.Option(help="how many trials there are to be in all; default: the file's")] = None,
    workers: cli_options.Workers = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            help="where the trials are kept: journal (a file in the results folder), sqlite:///…; a postgresql://… with a "
            "password belongs into $HARNESS_STORAGE, where others cannot read it"
        ),
    ] = None,
    profile: cli_options.Profile = None,
    settings: cli_options.Settings = None,
    device: cli_options.Device = "auto",
    retry: Annotated[
        list[str] | None, typer.Option(help="failed: try failed trials again; of the confirmation also diverged")
    ] = None,
    stop_after: cli_options.StopAfter = None,
    idle: Annotated[str | None, typer.Option(help="wait so long for trials that others train, such as 10m")] = None,
    keep: cli_options.Keep = None,
    replan: Annotated[bool, typer.Option("--replan", help="archive a search that has changed and search anew")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the search, start nothing")] = False,
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    worker_option: cli_options.WorkerOptions = None,
) -> None:
    """Search, confirm the best trials on fresh seeds, and compare the winner with the base. Start it again and it goes on."""
    from harness.execution.options import WorkerOptions
    from harness.experiment import load_experiment

    loaded = load_experiment(experiment, profile, settings or ())
    if loaded.search is None:
        raise InputError(f"{loaded.path}: has no search; start it with: harness run {experiment}")
    options = WorkerOptions.read(worker_option or (), retry=retry, stop_after=stop_after, idle=idle, keep=keep, track=track)
    options.check()
    if dry_run:
        _preview(loaded, results, device, trials, storage, replan, as_json)
        return
    outcome = run_search(
        loaded, results, trials=trials, device=device, storage=storage, replan=replan, workers=workers, options=options
    )
    outcome.tell(results, as_json)
    raise typer.Exit(outcome.exit_code)


def _preview(  # noqa: PLR0917 - the command's options
    experiment: Experiment, results: Path, device: str, trials: int | None, storage: str | None, replan: bool, as_json: bool
) -> None:
    from harness.search.reconcile import settle
    from harness.search.storage import address, refuse_other_storage
    from harness.store.records import Store
    from harness.terminal import search_dry_run, shell

    store = Store.open(results, create=False, must_exist=False)
    asked, url = study_of(experiment, device, trials), address(storage)
    if not replan:
        refuse_other_storage(store.paths.study(asked.name), url)
    study, replaces = settle(store, asked, replan)
    known = search_dry_run.preview(store, study, url, new=replaces)
    if as_json:
        shell.show_json(search_dry_run.document(known))
    else:
        shell.show(search_dry_run.dry_run(known))


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.terminal.shell import run_app

    return run_app(app, argv, "harness sweep")


if __name__ == "__main__":
    sys.exit(main())
