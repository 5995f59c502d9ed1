"""An experiment -> plan, trained runs, report: the main command."""

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
    from harness.experiment.plan import Plan
    from harness.launch.outcome import PlanOutcome
    from harness.store.records import Store


def plan_experiment(
    store: Store, experiment: Experiment, device: str = "auto", seeds: int | None = None, replan: bool = False
) -> tuple[Plan, bool]:
    """The plan to go on with, and whether it takes the place of another one of its name, which is then to be archived.

    A plan of which nothing has begun is made anew. Raises PlanChanged when runs of another plan have begun and `replan` is
    false, InputError, DataError, DeviceError.
    """
    from harness.execution.devices import resolve_device
    from harness.execution.stages import settle
    from harness.experiment.plan import make_plan

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: {device!r} is no device; allowed: auto, cpu, cuda")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    asked = make_plan(experiment, resolve_device(device), seeds, created)  # type: ignore[arg-type]  # checked above
    return settle(store, asked, replan)


def run_experiment(
    experiment: Experiment,
    results: str | Path = "results",
    *,
    device: str = "auto",
    seeds: int | None = None,
    replan: bool = False,
    workers: int = 1,
    options: WorkerOptions | None = None,
) -> PlanOutcome:
    """Plan, train the remaining runs in child workers, show progress on stderr, write the report.

    A plan whose claims are decided before its last look is complete. A tuned experiment trains its tuning first.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError for bad input and for a results folder that cannot be used; a run that fails is part of the outcome.
    """
    from harness.execution.options import WorkerOptions
    from harness.launch.plan_supervisor import supervise_plan
    from harness.store.records import Store

    options = options or WorkerOptions()
    options.check([variant.label for variant in experiment.variants])
    store = Store.open(Path(results))
    plan, replaces = plan_experiment(store, experiment, device, seeds, replan)
    if replaces:
        store.archive_plan(plan.name)
    store.save_plan(plan)
    return supervise_plan(store, plan, options, workers, replan)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m harness.run experiments/leakyrelu_vs_relu.yaml --profile smoke")
def run(  # noqa: PLR0917 - a command's options, each of them named
    experiment: Annotated[str, typer.Argument(help="a YAML's path, its name, or name@profile")],
    profile: cli_options.Profile = None,
    settings: cli_options.Settings = None,
    seeds: cli_options.Seeds = None,
    only: Annotated[list[str] | None, typer.Option(metavar="VARIANT", help="train this variant's runs; repeatable")] = None,
    workers: cli_options.Workers = 1,
    device: cli_options.Device = "auto",
    retry: cli_options.Retry = None,
    stop_after: cli_options.StopAfter = None,
    idle: Annotated[str | None, typer.Option(help="wait so long for runs that others train, such as 10m")] = None,
    keep: cli_options.Keep = None,
    replan: cli_options.Replan = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the plan, start nothing")] = False,
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    worker_option: cli_options.WorkerOptions = None,
) -> None:
    """Plan an experiment, train what is due, and write its report. Start it again and it goes on where it was."""
    from harness.execution.options import WorkerOptions
    from harness.experiment import load_experiment
    from harness.store.records import Store
    from harness.terminal import dry_run as dry_run_screen
    from harness.terminal import json_output, shell

    loaded = load_experiment(experiment, profile, settings or ())
    if loaded.search is not None:
        raise InputError(f"{loaded.path}: is a search; start it with: harness sweep {experiment}")
    options = WorkerOptions.read(
        worker_option or (), only=only, retry=retry, stop_after=stop_after, idle=idle, keep=keep, track=track
    )
    options.check([variant.label for variant in loaded.variants])
    if dry_run:
        store = Store.open(results, create=False, must_exist=False)
        plan, _ = plan_experiment(store, loaded, device, seeds, replan)
        ahead = dry_run_screen.preview(store, plan)
        if as_json:
            shell.show_json(json_output.dry_run(ahead))
        else:
            shell.show(dry_run_screen.dry_run(ahead))
        return
    outcome = run_experiment(loaded, results, device=device, seeds=seeds, replan=replan, workers=workers, options=options)
    outcome.tell(results, as_json)
    raise typer.Exit(outcome.exit_code)


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.terminal.shell import run_app

    return run_app(app, argv, "harness run")


if __name__ == "__main__":
    sys.exit(main())
