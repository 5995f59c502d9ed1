"""`harness demo`: trains a first ablation that comes with the package, in minutes, and shows its report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.common import cli_options
from harness.errors import EXIT_OK
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.launch.outcome import PlanOutcome

EXPERIMENT, PROFILE = "leakyrelu_vs_relu", "smoke"


def demo(
    *,
    workers: cli_options.Workers = 1,
    device: cli_options.Device = "auto",
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
) -> None:
    """Train a first ablation on real images: 6 runs of a small network, in one to four minutes on two processor cores. Needs no
    other file and no download: it is `harness run leakyrelu_vs_relu --profile smoke`.

    Examples:
      harness demo
      harness demo --workers 2 --results demo

    Exit codes:
      0   every run completed; prints where the report is
      1   a run failed or diverged
      2   bad input or usage, or a worker that could not start
      75  interrupted; the same command continues
    """
    from harness.execution.options import WorkerOptions
    from harness.experiment import load_experiment
    from harness.launch.experiment import run_experiment
    from harness.reporting import phrases
    from harness.store.paths import Paths
    from harness.terminal import shell

    experiment = load_experiment(EXPERIMENT, PROFILE)
    options = WorkerOptions.read(track=track)

    def show(outcome: PlanOutcome) -> None:
        outcome.show(results, as_json=False)
        if outcome.exit_code != EXIT_OK:
            return
        found = {verdict["verdict"] for verdict in outcome.document(results)["verdicts"]}
        for verdict, meaning in phrases.MEANINGS.items():
            if verdict in found:
                shell.say(f"{verdict.upper()}: {meaning}")
        figures = Paths(results).report(experiment.name) / "figures"
        shell.say(f"learning curves: {figures / 'learning_curves.png'}")
        shell.say(f"in a browser: {shlex.join(['harness', 'serve', *phrases.results_option(results)])}")
        shell.say("next: harness list (the experiments), harness init DIR (a folder with one of them to change)")

    outcome = run_experiment(experiment, results, device=device, workers=workers, options=options, show=show)
    raise typer.Exit(outcome.exit_code)


main = main_of(demo)


if __name__ == "__main__":
    sys.exit(main())
