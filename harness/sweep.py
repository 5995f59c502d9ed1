"""An experiment with a search -> its trials, the best of them confirmed on fresh seeds, and a verdict."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import choices, cli_options
from harness.errors import EXIT_INTERRUPTED, InputError
from harness.terminal import completion
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.experiment import Experiment
    from harness.experiment.study import Study
    from harness.launch.plan_supervisor import Options
    from harness.launch.search_supervisor import Pursuit


def study_of(experiment: Experiment, device: choices.Device = "auto", trials: int | None = None) -> Study:
    """The search of an experiment on a device, with `trials` in place of the declared target. Raises InputError, DataError."""
    from harness.execution.devices import resolve_device
    from harness.experiment.study import make_study

    if trials is not None and trials < 1:
        raise InputError(f"invalid value for --trials: {trials}; must be at least 1")
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    return make_study(experiment, resolve_device(device), trials, created)


def run_search(
    experiment: Experiment,
    results: str | Path = "results",
    *,
    trials: int | None = None,
    device: choices.Device = "auto",
    storage: str | None = None,
    replan: bool = False,
    options: Options | None = None,
) -> Pursuit:
    """Search with child workers up to the target, show progress on stderr, then confirm the best trials and write the reports.

    `storage`: see `harness.search.storage.address`. Started again, it goes on where it was; with a higher `trials` further.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError for bad input, for a changed search and for a storage or a results folder that cannot be used.
    """
    from harness.launch.plan_supervisor import Options
    from harness.launch.search_supervisor import pursue
    from harness.search.place import refuse_other_storage
    from harness.search.reconcile import prepare
    from harness.search.storage import address
    from harness.store.records import Store

    options = options or Options()
    options.check()
    asked, url = study_of(experiment, device, trials), address(storage)
    store = Store.open(Path(results))
    if not replan:
        refuse_other_storage(store.paths.study(asked.name), url)
    return pursue(store, prepare(store, asked, replan), options, url, replan)


def sweep(
    *,
    experiment: completion.Experiment,
    profile: completion.Profile = None,
    settings: cli_options.Settings = None,
    trials: cli_options.Trials = None,
    retry: Annotated[
        list[choices.Retry] | None,
        typer.Option(
            metavar="failed|diverged",
            help="failed: try failed trials again; diverged: only runs of the confirmation; repeatable",
            rich_help_panel=cli_options.WHAT,
        ),
    ] = None,
    replan: cli_options.Replan = False,
    workers: cli_options.Workers = 1,
    device: cli_options.Device = "auto",
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="where the trials are kept: journal (a file in the results folder) or sqlite:///FILE; put a postgresql:// "
            "address with a password into $HARNESS_STORAGE, where other users cannot read it",
            rich_help_panel=cli_options.HOW,
        ),
    ] = None,
    stop_after: cli_options.StopAfter = None,
    idle: cli_options.Idle = None,
    keep: cli_options.Keep = None,
    dry_run: cli_options.DryRun = False,
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    worker_option: cli_options.WorkerOptions = None,
) -> None:
    """Search with Optuna, confirm the best trials on fresh seeds and compare the winner with the base. To continue after a
    stop, or with more trials, give the command again.

    Examples:
      harness sweep search --dry-run
      harness sweep experiments/search.yaml --trials 100 --workers 2

    Exit codes:
      0   every trial and every run of the confirmation completed
      1   a trial or a run failed
      2   bad input or usage, or a worker that could not start
      75  interrupted; the same command continues
    """
    from harness.experiment import load_experiment
    from harness.launch.plan_supervisor import Options

    loaded = load_experiment(experiment, profile, settings or ())
    if loaded.search is None:
        raise InputError(f"{loaded.path}: has no search; start it with: harness run {experiment}")
    options = Options(
        workers,
        retry=tuple(retry or ()),
        stop_after=stop_after,
        idle=idle,
        keep=keep,
        track=track,
        worker_options=tuple(worker_option or ()),
    )
    options.check()
    if dry_run:
        _preview(loaded, results, device, trials, storage, replan, as_json)
        return
    found = run_search(loaded, results, trials=trials, device=device, storage=storage, replan=replan, options=options)
    _show(found, results, as_json)
    raise typer.Exit(found.exit_code)


def _preview(  # noqa: PLR0917 - the command's options
    experiment: Experiment,
    results: Path,
    device: choices.Device,
    trials: int | None,
    storage: str | None,
    replan: bool,
    as_json: bool,
) -> None:
    from harness.search.place import refuse_other_storage
    from harness.search.reconcile import settle
    from harness.search.storage import address
    from harness.store.records import Store
    from harness.terminal import shell
    from harness.terminal.searches import dry_run as dry_run_screen

    store = Store.open(results, create=False, must_exist=False)
    asked, url = study_of(experiment, device, trials), address(storage)
    if not replan:
        refuse_other_storage(store.paths.study(asked.name), url)
    study, replaces = settle(store, asked, replan)
    known = dry_run_screen.look_ahead(store, study, url, new=replaces)
    if as_json:
        shell.show_json(dry_run_screen.document(known))
    else:
        shell.show(dry_run_screen.screen(known))


def _show(found: Pursuit, results: Path, as_json: bool) -> None:
    from rich.text import Text

    from harness.experiment.study import task_of
    from harness.launch import outcome as outcomes
    from harness.launch.search_supervisor import confirmed
    from harness.search.trials import NEVER_MEASURED, counted, stuck
    from harness.store.records import Store
    from harness.tasks.protocol import result_metrics
    from harness.terminal import shell
    from harness.terminal.choices import confirmed as table
    from harness.terminal.searches.json_output import search_values
    from harness.terminal.searches.summary import ending

    study, trials, outcome = found.study, found.trials, found.confirmation
    store = Store.open(results, create=False)
    again = confirmed(store, study) if outcome is not None else None
    if as_json:
        told = search_values(study, trials)
        told["report"] = str(found.report)
        told["confirmation"] = None if outcome is None else outcomes.document(outcome, results)
        shell.show_json(told)
    else:
        shown = table(study, trials, again.plan, again.records, again.winner) if again is not None else None
        shell.show(ending(study, trials, result_metrics(task_of(study)), shown, again.winner if again is not None else None))
        if outcome is not None and (evidence := outcomes.shown(outcome, results)) is not None:
            shell.show(Text(), evidence)
        shell.show(Text(), f"search  {found.report}")
    if example := stuck(counted(trials)):
        shell.say(f"every trial so far failed in the same way ({example.reason}); no further one was begun")
    if outcome is not None:
        lines = outcomes.notes(outcome, results)
    elif found.exit_code == EXIT_INTERRUPTED:
        lines = [*found.complaints, "interrupted; everything is kept: the same command goes on"]
    else:
        lines = list(found.complaints)
    for line in lines:
        shell.say(line)
    if failed := sum(trial.state == "failed" for trial in counted(trials)):
        shell.say(
            f"{failed} of {len(counted(trials))} trials failed; see: harness status {study.name} --results {quote(str(results))}"
        )
        if any(trial.retriable for trial in counted(trials)):
            shell.say("once mended, the same command with --retry failed tries them again")
        else:
            shell.say(NEVER_MEASURED)


main = main_of(sweep)

if __name__ == "__main__":
    sys.exit(main())
