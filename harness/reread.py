"""`harness reread`: reads finished runs of a program again from their logs, after the way to read its metrics was changed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import typer

from harness.common import cli_options
from harness.terminal import completion
from harness.terminal.command_line import main_of


def reread(
    *,
    experiment: completion.Experiment,
    profile: completion.Profile = None,
    settings: cli_options.Settings = None,
    seeds: cli_options.Seeds = None,
    first_seed: cli_options.FirstSeed = None,
    device: cli_options.Device = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Read metrics of finished runs again, after a text, pattern or file of one was corrected. Trains nothing.

    The plan is made anew. Each of its runs takes the place of a finished one
    with the same command, settings, inputs and seed, whose program ran to its
    end. Claims judged on such runs are retrospective.

    Examples:
      harness reread momentum
      harness reread experiments/momentum.yaml --first-seed 1

    Exit codes:
      0   every run of the plan has a result
      1   some runs have none; harness run trains them
      2   bad input or usage, or no run could be read
    """
    from harness.errors import EXIT_OK, EXIT_RUNS_FAILED, InputError
    from harness.execution.devices import resolve_device
    from harness.execution.recording import save_plan
    from harness.execution.reread import reread as read_again
    from harness.execution.stages import resolve_plan
    from harness.experiment.plan import make_plan
    from harness.launch.outcome import PlanOutcome
    from harness.reporting import phrases
    from harness.reporting.pages import gather, record, write
    from harness.store.lookup import named_experiment
    from harness.store.records import Store
    from harness.terminal import shell

    loaded = named_experiment(experiment, results, profile=profile, settings=settings or ())
    if loaded.search is not None or loaded.tuning is not None:
        raise InputError(f"{loaded.path}: runs of a search or a tuning are not read again, as their results chose what came next")
    store = Store.open(results, create=False)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    plan = make_plan(loaded, resolve_device(device), seeds, created, first_seed=first_seed)
    found = read_again(store, plan, shell.say)
    read = [each for each in found if each.result is not None]
    if found and not read and not any(store.has_result(run.id) for run in plan.runs):
        raise InputError(f"{plan.name}: no run could be read again; the plan on disk stays as it is")
    # After the results were written, so that the plan records them as known.
    plan, replaces = resolve_plan(store, plan, replan=bool(read))
    save_plan(store, plan, replaces)
    report = gather(store, plan)
    record(report)
    rest = len(found) - len(read)
    exit_code = EXIT_RUNS_FAILED if rest else EXIT_OK
    PlanOutcome(exit_code, (), report.folder / "index.html", plan, report.records).show(results, as_json)
    if rest:
        shell.say(f"{rest} {'run has' if rest == 1 else 'runs have'} no result yet; train them with: harness run {experiment}")
    with shell.drawing(phrases.report_command(results, plan.name)):
        write(report)
    raise typer.Exit(exit_code)


main = main_of(reread)

if __name__ == "__main__":
    sys.exit(main())
