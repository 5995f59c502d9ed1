"""Flags -> a first experiment file for a training script."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def new(  # noqa: PLR0917 - a command's options, each of them named
    name: Annotated[str, typer.Argument(help="the experiment's name: experiments/NAME.yaml is written")],
    command: Annotated[str, typer.Option(help="the command line, with {seed}; {knobs} is added at its end where it has none")],
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:GOAL[:UNIT]][=TEXT]", help="TEXT as it is printed, with {value}; without: from JSON lines"),
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE[,VALUE]", help="a setting; several values are compared, the first is the default"),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="PATH", help="what the result depends on; default: the script and what it imports"),
    ] = None,
    directory: Annotated[Path, typer.Option(help="where the command runs")] = Path(),
    resume: Annotated[str | None, typer.Option(help="arguments with which it goes on from {run_dir}")] = None,
    claim: Annotated[
        list[str] | None, typer.Option(metavar="CLAIM", help="what you expect, such as 'improves: dropout=0.1'")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="a smaller difference would not matter, in the metric's unit")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="how often each variant is trained")] = 5,
    question: Annotated[str | None, typer.Option(help="what the experiment asks")] = None,
    into: Annotated[Path, typer.Option(help="the folder of the file")] = Path("experiments"),
) -> None:
    """Write a first experiment for any training script; harness run --dry-run then shows its plan.

    \b
    Example: harness new fit --command "python train.py --seed={seed}" --metric "val_loss=val loss {value}" --knob lr=0.1,0.3
    """
    from harness.errors import HarnessError, InputError
    from harness.experiment import load_experiment, scaffold
    from harness.experiment.plan import make_plan
    from harness.tasks.command import template
    from harness.tasks.command.inputs import NOTHING
    from harness.tasks.command.sources import program_files
    from harness.terminal.shell import say, show

    path = into / f"{name}.yaml"
    if path.exists():
        raise InputError(f"{path}: is there already; allowed: another name, or remove it first")
    metrics = [scaffold.read_metric(text) for text in metric or ()]
    if not metrics:
        raise InputError(
            "--metric: missing; allowed: one or more, such as --metric 'val_loss=val loss {value}', or --metric val_loss"
        )
    knobs = [scaffold.read_knob(text) for text in knob or ()]
    named = template.placeholders(command)
    if "knobs" not in named and any(each.name not in named for each in knobs):
        command = f"{command} {template.ALL_KNOBS}"
    if broken := [text for text in (command, question, resume, *(claim or ())) if text and not text.isprintable()]:
        raise InputError(f"{broken[0]!r}: has characters that cannot be printed; allowed: text on one line")
    try:
        found = program_files([word for word in template.words_of(command) if not template.placeholders(word)], directory)
    except ValueError as error:
        raise InputError(f"--command {command!r}: cannot be split into words: {error}") from error
    text = scaffold.text_of(
        scaffold.Draft(
            name=name,
            command=command,
            directory=scaffold.relative(directory, into),
            metrics=metrics,
            knobs=knobs,
            inputs=input_ or found,
            resume=resume,
            question=question,
            seeds=seeds,
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
        raise InputError(f"{error}\nin what would have been {path}, which was not written:\n{text}") from error
    show(str(path))
    if set(plan.data.values()) == {NOTHING}:
        say(f"no word of the command is a file in {directory}: name what the result depends on with --input")
    if "seed" not in named:
        say("the command has no {seed}: the program has to read $HARNESS_SEED")
    say(f"look at it, then: harness run {path} --dry-run")


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.terminal.shell import run_app

    return run_app(app, argv, "harness new")


if __name__ == "__main__":
    sys.exit(main())
