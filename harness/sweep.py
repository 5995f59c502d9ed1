"""`harness sweep`: runs the trials of a search, confirms the best on fresh seeds and compares the winner with the base."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import choices, cli_options, optional_packages
from harness.errors import InputError
from harness.terminal import completion
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.execution.options import WorkerOptions
    from harness.experiment import Experiment
    from harness.experiment.study import Study
    from harness.launch.search_outcome import SearchOutcome


def study_of(experiment: Experiment, device: choices.Device = "auto", trials: int | None = None) -> Study:
    """The search of an experiment; `trials` replaces the declared target. Raises InputError, DataError, DeviceError."""
    from harness.execution.devices import check_requested_gpus, resolve_device
    from harness.experiment.resources import needed
    from harness.experiment.study import make_study

    if trials is not None and trials < 1:
        raise InputError(f"invalid value for --trials: {trials}; must be at least 1")
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    accelerator = resolve_device(device)
    study = make_study(experiment, accelerator, trials, created)
    check_requested_gpus(device, accelerator, needed(study))
    return study


def run_search(
    experiment: Experiment | str | Path | Mapping[str, Any],
    results: str | Path = "results",
    *,
    profile: str | None = None,
    name: str | None = None,
    trials: int | None = None,
    device: choices.Device = "auto",
    storage: str | None = None,
    replan: bool = False,
    workers: choices.Workers = 1,
    share_gpu: int = 1,
    options: WorkerOptions | None = None,
    show: Callable[[SearchOutcome], object] | None = None,
) -> SearchOutcome:
    """Run trials in worker processes up to the target, show progress on stderr, confirm the best trials, write the reports.

    `experiment`, `profile`, `name`, `workers`, `share_gpu`, `show`: as in `run_experiment`.
    `storage`: see `harness.search.storage.address`. A second call resumes the search; a higher `trials` extends it.
    Signals are handled as by `run_experiment`. Raises HarnessError for bad input, a missing package, a changed search, and an
    unusable storage or results folder.
    """
    from harness.execution.machine.allocation import Request, allocated
    from harness.execution.options import WorkerOptions
    from harness.experiment.load import as_experiment
    from harness.experiment.resources import needed
    from harness.launch.conclusion import conclude
    from harness.launch.remaining import trials_left
    from harness.launch.search_supervisor import storage_in_environment, supervise_search
    from harness.search.reconcile import prepare, resolve_study
    from harness.search.samplers import packages_of
    from harness.search.storage import refuse_other_storage, storage_url
    from harness.store.records import Store
    from harness.tasks.protocol import lacking_packages
    from harness.terminal.shell import say

    request = Request(workers, share_gpu)
    experiment = as_experiment(experiment, profile, name)
    options = options or WorkerOptions()
    options.check()
    optional_packages.require(("optuna", *optional_packages.REPORTS), "searches and their reports")
    requested, url = study_of(experiment, device, trials), storage_url(storage)
    store = Store.open(Path(results), create=False, must_exist=False)
    task = lacking_packages(experiment.task_name, experiment.task, [variant.config for variant in experiment.variants])
    lacking = optional_packages.lacking(packages_of(requested), f"the sampler {requested.sampler}") or task
    if lacking is None:
        store = Store.open(Path(results))
    if not replan:
        refuse_other_storage(store.paths.study(requested.name), url)
    study, replaces = resolve_study(store, requested, replan)
    left = study.trials if replaces else trials_left(store, study, url, options)
    if lacking is not None and left:
        raise lacking
    with ExitStack() as mirrors, storage_in_environment(url):
        with allocated(needed(study), options.device or study.accelerator, request, left, say) as slots:
            study = prepare(store, requested, replan)
            outcome = supervise_search(store, study, options, slots, mirrors=mirrors, url=url, replan=replan)
        return conclude(store, outcome, show)


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
            help="failed: repeat failed trials; diverged: only runs of the confirmation; repeatable",
            rich_help_panel=cli_options.WHAT,
        ),
    ] = None,
    replan: cli_options.Replan = False,
    workers: cli_options.Workers = 1,
    share_gpu: cli_options.ShareGpu = 1,
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
    """Search with Optuna, confirm the best trials on fresh seeds and compare the winner with the base. The same command
    continues after a stop; more --trials extend a search.

    Examples:
      harness sweep search --dry-run
      harness sweep search --trials 100 --workers 2

    Exit codes:
      0   the search is over, and so is its confirmation; trials may have been
          pruned, diverged or out of bounds
      1   a trial or a run failed, a run of the winner's comparison with the
          base diverged, or nothing was found or confirmed
      2   bad input or usage, or a worker that could not start
      75  interrupted; the same command continues
    """
    from harness.execution.options import WorkerOptions
    from harness.store.lookup import named_experiment

    loaded = named_experiment(experiment, results, profile=profile, settings=settings or ())
    if loaded.search is None:
        raise InputError(f"{loaded.path}: this experiment has no search; start it with: harness run {experiment}")
    options = WorkerOptions.read(worker_option or (), retry=retry, stop_after=stop_after, idle=idle, keep=keep, track=track)
    options.check()
    if dry_run:
        _preview(loaded, results, device, trials, storage, replan, as_json)
        return
    outcome = run_search(
        loaded,
        results,
        trials=trials,
        device=device,
        storage=storage,
        replan=replan,
        workers=workers,
        share_gpu=share_gpu,
        options=options,
        show=lambda found: found.show(results, as_json),
    )
    raise typer.Exit(outcome.exit_code)


def _preview(  # noqa: PLR0917 - the command's options
    experiment: Experiment,
    results: Path,
    device: choices.Device,
    trials: int | None,
    storage: str | None,
    replan: bool,
    as_json: bool,
) -> None:
    from harness.search.reconcile import resolve_study
    from harness.search.storage import refuse_other_storage, storage_url
    from harness.store.records import Store
    from harness.terminal import search_dry_run, shell

    store = Store.open(results, create=False, must_exist=False)
    requested, url = study_of(experiment, device, trials), storage_url(storage)
    if not replan:
        refuse_other_storage(store.paths.study(requested.name), url)
    study, replaces = resolve_study(store, requested, replan)
    preview = search_dry_run.preview(store, study, url, restart=replaces)
    if as_json:
        shell.show_json(search_dry_run.document(preview))
    else:
        shell.show(search_dry_run.dry_run(preview))


main = main_of(sweep)

if __name__ == "__main__":
    sys.exit(main())
