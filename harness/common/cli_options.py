"""Command-line options that several commands share, as annotated types; the check of --sd."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.common import choices
from harness.errors import InputError

# Option groups in --help.
WHAT = "What to train"
HOW = "How to train"
RESULTS = "Results"
PROGRAM = "The program"
EXPERIMENT = "The experiment"

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="change a setting, such as training.epochs=2; repeatable", rich_help_panel=WHAT
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="number of seeds; at least as many as the file declares", rich_help_panel=WHAT),
]
FirstSeed = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="the first seed, instead of the file's; the others follow it. Many programs treat seed 0 as no seed",
        rich_help_panel=WHAT,
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="total number of trials, instead of the file's", rich_help_panel=WHAT),
]
Loop = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="the loop of comparisons that this one belongs to; --alpha is then for all of them together",
        rich_help_panel=WHAT,
    ),
]
Replan = Annotated[
    bool, typer.Option("--replan", help="archive the plan on disk if it has changed, and make a new one", rich_help_panel=WHAT)
]
Retry = Annotated[
    list[choices.Retry] | None,
    typer.Option(metavar="failed|diverged", help="retrain runs with this result; repeatable", rich_help_panel=WHAT),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done and start nothing")]
Try = Annotated[
    Path | None,
    typer.Option(
        "--try",
        metavar="PATH",
        help="show what would be read from output that exists: a log, or a folder that the program has written to",
    ),
]
Sd = Annotated[
    float | None,
    typer.Option(
        "--sd",
        metavar="NUMBER",
        help="with --dry-run: the standard deviation of the paired differences of two variants, in the unit of the metric, from "
        "which to compute the power",
    ),
]
Workers = Annotated[
    Any,  # choices.Workers, which typer does not know
    typer.Option(
        metavar="N|auto",
        parser=choices.check_workers,
        help="number of worker processes; auto: as many as this machine has GPUs for, or processors",
        rich_help_panel=HOW,
    ),
]
ShareGpu = Annotated[
    int,
    typer.Option(
        min=1,
        max=choices.MOST_SHARED,
        metavar="N",
        help="number of runs that may share a GPU, for small models",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    choices.Device,
    typer.Option(metavar="auto|cpu|cuda", help="where to train; auto: a GPU if there is one", rich_help_panel=HOW),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="after this time, such as 3h50m, write checkpoints and exit with code 75", rich_help_panel=HOW
    ),
]
Idle = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="how long to wait for runs that other workers are training; default: 10m at the end of a look, else 0s",
        rich_help_panel=HOW,
    ),
]
Keep = Annotated[
    choices.Keep | None,
    typer.Option(metavar="weights", help="keep the last checkpoint of each completed run", rich_help_panel=HOW),
]
Track = Annotated[
    choices.Track,
    typer.Option(
        metavar="auto|wandb|none", help="mirror runs to Weights & Biases; auto: if it is installed", rich_help_panel=RESULTS
    ),
]
Results = Annotated[Path, typer.Option(metavar="FOLDER", readable=False, help="the results folder", rich_help_panel=RESULTS)]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document instead of text", rich_help_panel=RESULTS)]
Require = Annotated[
    choices.Requirement | None,
    typer.Option(
        metavar="supported|not-refuted",
        help="exit with code 3 unless every claim is supported, or unless none is refuted",
        rich_help_panel=RESULTS,
    ),
]
WorkerOptions = Annotated[
    list[str] | None, typer.Option("--worker-option", hidden=True, help="passed on to workers, such as --beat-s=5")
]

# Of commands that make an experiment.
Command = Annotated[
    str,
    typer.Option(
        metavar="LINE",
        help="the command line, with {seed}; {knobs} is appended if a parameter is missing",
        rich_help_panel=PROGRAM,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME[:GOAL[:UNIT]][=WHERE]",
        help="a metric; WHERE: printed text with {value} in it, results.csv:COLUMN, metrics.json:KEY, log.jsonl:KEY, "
        "tensorboard:TAG or wandb:KEY; without: $HARNESS_METRICS; repeatable",
        rich_help_panel=PROGRAM,
    ),
]
Style = Annotated[
    choices.Style | None,
    typer.Option(
        metavar="argparse|hydra|absl",
        help="how the program reads its parameters: --name=value, or name=value for hydra; default: by the script's imports, "
        "or the command",
        rich_help_panel=PROGRAM,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="PATH",
        help="a file or folder that the result depends on, besides the files of the command and their imports; repeatable",
        rich_help_panel=PROGRAM,
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(metavar="ARGUMENTS", help="arguments with which the program resumes from {run_dir}", rich_help_panel=PROGRAM),
]
Question = Annotated[str | None, typer.Option(metavar="TEXT", help="the question of the experiment", rich_help_panel=EXPERIMENT)]
Claims = Annotated[
    list[str] | None,
    typer.Option(
        "--claim",
        metavar="CLAIM",
        help="what you expect, such as 'improves: dropout=0.1'; repeatable",
        rich_help_panel=EXPERIMENT,
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(metavar="X", help="the smallest difference that matters, in the metric's unit", rich_help_panel=EXPERIMENT),
]
NewFirstSeed = Annotated[
    int,
    typer.Option(
        "--first-seed",
        min=0,
        metavar="N",
        help="the first seed; many programs treat seed 0 as no seed",
        rich_help_panel=EXPERIMENT,
    ),
]


def check_sd(sd: float | None, dry_run: bool) -> None:
    """Raises InputError if `--sd` is not a positive number, or not for a dry run."""
    if sd is not None and not dry_run:
        raise InputError("--sd has no effect without --dry-run; add --dry-run or remove --sd")
    if sd is not None and not 0 < sd < math.inf:
        raise InputError(f"invalid value for --sd: {sd:g}; must be a finite number above 0")
