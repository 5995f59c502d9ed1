"""`harness new`: writes a first experiment file for a training script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import cli_options
from harness.common.choices import Style
from harness.errors import HarnessError, InputError
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.experiment.plan import Plan

# The groups of options in the help.
PROGRAM = "The program"
EXPERIMENT = "The experiment"


def new(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="the experiment's name; the file is experiments/NAME.yaml")],
    command: Annotated[
        str,
        typer.Option(
            metavar="LINE",
            help="the command line, with {seed}; {knobs} is appended if a parameter of --knob is missing",
            rich_help_panel=PROGRAM,
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:GOAL[:UNIT]][=WHERE]",
            help="a metric; WHERE: printed text with {value} in it, results.csv:COLUMN, metrics.json:KEY, log.jsonl:KEY, "
            "tensorboard:TAG or wandb:KEY; without: $HARNESS_METRICS; repeatable",
            rich_help_panel=PROGRAM,
        ),
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE[,VALUE]",
            help="a parameter of the program, such as lr=0.1,0.3 or model.layers=[64,64],[128]; several values are compared, "
            "the first is the default; repeatable",
            rich_help_panel=PROGRAM,
        ),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:CASE[:GROUP]]",
            help="a file in {run_dir} with the outcome of each case of an evaluation, and the keys of a case's id and group; its "
            "metrics have no WHERE",
            rich_help_panel=PROGRAM,
        ),
    ] = None,
    style: Annotated[
        Style | None,
        typer.Option(
            metavar="argparse|hydra|absl",
            help="how the program reads its parameters: --name=value, or name=value for hydra; default: by the script's imports, "
            "or the command",
            rich_help_panel=PROGRAM,
        ),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="PATH",
            help="a file or folder that the result depends on, besides the files of the command and their imports; repeatable",
            rich_help_panel=PROGRAM,
        ),
    ] = None,
    directory: Annotated[Path, typer.Option(metavar="FOLDER", help="where the command runs", rich_help_panel=PROGRAM)] = Path(),
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="ARGUMENTS", help="arguments with which the program resumes from {run_dir}", rich_help_panel=PROGRAM
        ),
    ] = None,
    question: Annotated[
        str | None, typer.Option(metavar="TEXT", help="the question of the experiment", rich_help_panel=EXPERIMENT)
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLAIM", help="what you expect, such as 'improves: dropout=0.1'; repeatable", rich_help_panel=EXPERIMENT
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(metavar="X", help="the smallest difference that matters, in the metric's unit", rich_help_panel=EXPERIMENT),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="number of seeds of each variant", rich_help_panel=EXPERIMENT)
    ] = 5,
    first_seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="the first seed; many programs treat seed 0 as no seed", rich_help_panel=EXPERIMENT
        ),
    ] = 0,
    try_: cli_options.Try = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="where the file is written", rich_help_panel=EXPERIMENT)] = Path(
        "experiments"
    ),
) -> None:
    """Write a first experiment file for any training script. Show its plan with: harness run NAME --dry-run.

    Examples:
      harness new fit --command "python train.py --seed={seed}" \\
        --metric "val_loss=val loss {value}" --knob lr=0.1,0.3
      harness new fit --command "python train.py seed={seed}" \\
        --metric "val/loss=metrics.csv:val/loss" --knob model.lr=0.1,0.3
      harness new prompts --command "python evaluate.py {prompt} {run_dir}" \\
        --cases samples.jsonl:doc_id --metric accuracy --knob prompt=plain,cot \\
        --seeds 1 --margin 0.02 --claim "{improves: prompt=cot, across: cases}"

    Exit codes:
      0   written
      2   bad input or usage; nothing is written
    """
    from harness.experiment import load_experiment, scaffold
    from harness.experiment.draft import read_knob, read_metric
    from harness.experiment.plan import make_plan
    from harness.tasks.command import template
    from harness.tasks.command.frameworks import guessed_style, written_style
    from harness.tasks.command.seed_zero import truth_tests
    from harness.terminal.shell import say, show

    path = into / f"{name}.yaml"
    if path.exists():
        raise InputError(f"{path}: already exists; choose another NAME or remove the file")
    metrics = [read_metric(text) for text in metric or ()]
    if not metrics:
        raise InputError(
            "missing option --metric; give one or more, such as --metric 'val_loss=val loss {value}' or --metric val_loss"
        )
    try:
        words = template.words_of(command)
    except ValueError as error:
        raise InputError(f"--command {command!r}: cannot be split into words: {error}") from error
    files = [word for word in words if not template.placeholders(word)]
    style = style or guessed_style(files, directory) or written_style(words) or "argparse"
    knobs = [read_knob(text, style) for text in knob or ()]
    placeholders = template.placeholders(command)
    if "knobs" not in placeholders and any(each.name not in placeholders for each in knobs):
        command = f"{command} {template.ALL_KNOBS}"
    if broken := [text for text in (command, question, resume, *(claim or ())) if text and not text.isprintable()]:
        raise InputError(f"{broken[0]!r}: contains unprintable characters; must be text on one line")
    text = scaffold.text_of(
        scaffold.Draft(
            name=name,
            command=command,
            directory=scaffold.relative(directory, into),
            metrics=metrics,
            style=style,
            cases=dict(zip(("file", "case", "group"), cases.split(":"), strict=False)) if cases else {},
            knobs=knobs,
            inputs=input_ or (),
            resume=resume,
            question=question,
            seeds=seeds,
            first_seed=first_seed,
            margin=margin,
            claims=claim or (),
        )
    )
    into.mkdir(parents=True, exist_ok=True)
    with path.open("x") as file:
        file.write(text)
    try:
        plan = make_plan(load_experiment(path))
    except HarnessError as error:
        path.unlink()
        raise InputError(f"{error}\nin {path}, which was not written:\n{text}") from error
    if try_ is not None:
        _try(plan, try_, path)
    show(str(path))
    for warning in _warnings(plan):
        say(warning)
    if "seed" not in placeholders and not (cases and seeds == 1):
        say("the command has no {seed}: the program must read $HARNESS_SEED")
    for script, line in truth_tests(files, directory) if first_seed == 0 else ():
        say(f"seed 0 may mean no seed in {script} line {line}: write seeds: {{first: 1, n: {seeds}}}, as --first-seed 1 does")
    say(f"check the file, then: harness run {path} --dry-run")


def _warnings(plan: Plan) -> Iterator[str]:
    """What a dry run warns of."""
    from harness.tasks.command.remarks import remarks
    from harness.tasks.command.task import command_task

    assert plan.program is not None
    task = command_task(plan.program)
    configs = [task.Config.model_validate_json(json.dumps(config)) for config in plan.variants.values()]
    yield from remarks(plan.program, list(plan.data.values()), [task.values(config) for config in configs])


def _try(plan: Plan, log: Path, path: Path) -> None:
    """Show what would be read. Raises InputError, without the file at `path`, if a run with this output would fail."""
    from harness.tasks.command.reading.trial import tried
    from harness.terminal.shell import show
    from harness.terminal.tried import screen

    assert plan.program is not None
    try:
        trial = tried(plan.program.metrics, log, resumes=plan.program.resume is not None, cases=plan.program.cases)
        show(screen(trial))
        if trial.problem:
            advice = "correct --metric, or edit the file after harness new without --try"
            raise InputError(f"{path}: not written, as a run with the output of {log} would fail; {advice}")
    except HarnessError:
        path.unlink()
        raise


main = main_of(new)

if __name__ == "__main__":
    sys.exit(main())
