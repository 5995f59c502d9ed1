"""`harness run`: plans an experiment, trains its runs and writes the report."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.common import cli_options
from harness.errors import EXIT_BAD_INPUT, InputError, PlanChanged
from harness.terminal import completion
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.experiment import Experiment
    from harness.tasks.command.reading.trial import Trial


def run(
    *,
    experiment: completion.Experiment,
    profile: completion.Profile = None,
    settings: cli_options.Settings = None,
    seeds: cli_options.Seeds = None,
    first_seed: cli_options.FirstSeed = None,
    only: completion.Only = None,
    retry: cli_options.Retry = None,
    replan: cli_options.Replan = False,
    workers: cli_options.Workers = 1,
    share_gpu: cli_options.ShareGpu = 1,
    device: cli_options.Device = "auto",
    stop_after: cli_options.StopAfter = None,
    idle: cli_options.Idle = None,
    keep: cli_options.Keep = None,
    dry_run: cli_options.DryRun = False,
    sd: cli_options.Sd = None,
    try_: cli_options.Try = None,
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    require: cli_options.Require = None,
    worker_option: cli_options.WorkerOptions = None,
) -> None:
    """Plan an experiment, train the remaining runs and write the report. The same command continues after a stop.

    Examples:
      harness run leakyrelu_vs_relu --dry-run
      harness run leakyrelu_vs_relu --profile smoke --dry-run --sd 0.3
      harness run leakyrelu_vs_relu --profile smoke
      harness run leakyrelu_vs_relu --workers 2 --stop-after 3h50m
      harness run leakyrelu_vs_relu --require not-refuted --json

    Exit codes:
      0   every run completed; of a tuned experiment those of the evidence
      1   a run failed or diverged
      2   bad input or usage, or a worker that could not start
      3   every run completed, but the verdicts do not meet --require
      75  interrupted; the same command continues
    """
    from harness.launch.early_worker import early_worker

    # It imports while this process does, reads the experiment and plans.
    with nullcontext() if dry_run else early_worker():
        from harness.analysis.verdicts import required
        from harness.execution.options import WorkerOptions
        from harness.store.lookup import named_experiment

        cli_options.check_sd(sd, dry_run)
        if try_ is not None and not dry_run:
            raise InputError("--try has no effect without --dry-run; add --dry-run or remove --try")
        loaded = named_experiment(experiment, results, profile=profile, settings=settings or ())
        if loaded.search is not None:
            raise InputError(f"{loaded.path}: this experiment is a search; start it with: harness sweep {experiment}")
        required.check(require, str(loaded.path), loaded.claims, rehearsal=loaded.rehearsal)
        options = WorkerOptions.read(
            worker_option or (), only=only, retry=retry, stop_after=stop_after, idle=idle, keep=keep, track=track
        )
        options.check([variant.label for variant in loaded.variants])
        if dry_run:
            from rich.text import Text

            from harness.execution.planning import plan_experiment
            from harness.store.records import Store
            from harness.terminal import dry_run as dry_run_screen
            from harness.terminal import shell, tried

            store = Store.open(results, create=False, must_exist=False)
            trial = _tried(loaded, try_) if try_ is not None else None
            try:
                plan, _ = plan_experiment(store, loaded, device, seeds, replan, first_seed=first_seed)
            except PlanChanged:  # as after a pattern was corrected: what it reads is shown nevertheless
                shell.show(*([tried.screen(trial)] if trial and not as_json else []))
                raise
            preview = dry_run_screen.preview(store, plan, sd)
            if as_json:
                from harness.terminal import json_output

                shell.show_json(json_output.dry_run(preview) | ({"tried": tried.document(trial)} if trial else {}))
            else:
                shell.show(dry_run_screen.dry_run(preview), *([Text(), tried.screen(trial)] if trial else []))
            if trial is not None and trial.problem:
                raise typer.Exit(EXIT_BAD_INPUT)
            return
        from harness.launch.experiment import run_experiment

        outcome = run_experiment(
            loaded,
            results,
            device=device,
            seeds=seeds,
            first_seed=first_seed,
            replan=replan,
            workers=workers,
            share_gpu=share_gpu,
            options=options,
            show=lambda found: found.requiring(require, results).show(results, as_json),
        )
        raise typer.Exit(outcome.requiring(require, results).exit_code)


def _tried(experiment: Experiment, path: Path) -> Trial:
    from harness.tasks.command.reading.trial import tried
    from harness.tasks.command.steps import last

    if experiment.program is None:
        raise InputError(f"--try {path}: {experiment.path} trains {experiment.task_name}, which is not a program; remove --try")
    program = last(experiment.program)
    return tried(program.metrics, path, resumes=program.resume is not None, cases=program.cases)


main = main_of(run)


if __name__ == "__main__":
    sys.exit(main())
