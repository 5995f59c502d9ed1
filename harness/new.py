"""`harness new`: writes a first experiment file for a training script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.common import cli_options
from harness.errors import HarnessError, InputError
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.experiment.plan import Plan


def new(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="the experiment's name; the file is experiments/NAME.yaml")],
    command: cli_options.Command,
    metric: cli_options.Metrics = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE[,VALUE]",
            help="a parameter of the program, such as lr=0.1,0.3 or model.layers=[64,64],[128]; several values are compared, "
            "the first is the default; repeatable",
            rich_help_panel=cli_options.PROGRAM,
        ),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:CASE[:GROUP]]",
            help="a file in {run_dir} with the outcome of each case of an evaluation, and the keys of a case's id and group; its "
            "metrics have no WHERE",
            rich_help_panel=cli_options.PROGRAM,
        ),
    ] = None,
    style: cli_options.Style = None,
    input_: cli_options.Inputs = None,
    directory: Annotated[
        Path, typer.Option(metavar="FOLDER", help="where the command runs", rich_help_panel=cli_options.PROGRAM)
    ] = Path(),
    resume: cli_options.Resume = None,
    question: cli_options.Question = None,
    claim: cli_options.Claims = None,
    margin: cli_options.Margin = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, max=100_000, metavar="N", help="number of seeds of each variant", rich_help_panel=cli_options.EXPERIMENT
        ),
    ] = 5,
    first_seed: cli_options.NewFirstSeed = 0,
    try_: cli_options.Try = None,
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="where the file is written", rich_help_panel=cli_options.EXPERIMENT)
    ] = Path("experiments"),
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
    from harness.experiment.draft import check_printable, read_knob, read_program
    from harness.experiment.plan import make_plan
    from harness.tasks.command.seed_zero import truth_tests
    from harness.terminal.shell import say, show

    path = into / f"{name}.yaml"
    if path.exists():
        raise InputError(f"{path}: already exists; choose another NAME or remove the file")
    program = read_program(command, metric or (), style, directory)
    knobs = [read_knob(text, program.style) for text in knob or ()]
    command = program.with_all(knobs)
    check_printable(command, question, resume, *(claim or ()))
    text = scaffold.text_of(
        scaffold.Draft(
            name=name,
            command=command,
            directory=scaffold.relative(directory, into),
            metrics=program.metrics,
            style=program.style,
            cases=dict(zip(("file", "case", "group"), cases.split(":"), strict=False)) if cases else {},
            knobs=knobs,
            inputs=input_ or (),
            resume=resume,
            question=question,
            looks=(seeds,),
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
    if not program.has_seed and not (cases and seeds == 1):
        say("the command has no {seed}: the program must read $HARNESS_SEED")
    for script, line in truth_tests(program.files, directory) if first_seed == 0 else ():
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
