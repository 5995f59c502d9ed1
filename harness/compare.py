"""`harness compare`: compares versions of the code in a git repository, without an experiment file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.errors import EXIT_NOT_MET, EXIT_OK, InputError
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from harness.common.choices import Requirement
    from harness.experiment.comparison import Comparison, Named

CODE = "The versions of the code"


def compare(
    *,
    refs: Annotated[
        list[str],
        typer.Argument(
            metavar="REF",
            help="branches, tags or commits, or . for the working tree as it is; the first is the baseline",
        ),
    ],
    command: cli_options.Command,
    metric: cli_options.Metrics = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="a parameter of the program, the same for all versions; repeatable",
            rich_help_panel=cli_options.PROGRAM,
        ),
    ] = None,
    style: cli_options.Style = None,
    input_: cli_options.Inputs = None,
    resume: cli_options.Resume = None,
    repository: Annotated[
        Path, typer.Option(metavar="FOLDER", help="the git repository, or a folder in it", rich_help_panel=CODE)
    ] = Path(),
    directory: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="where the command runs, relative to the top of the repository; default: the folder of --repository",
            rich_help_panel=CODE,
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="an untracked file or folder of the repository that every version gets a link to, such as data or .venv; "
            "repeatable",
            rich_help_panel=CODE,
        ),
    ] = None,
    prepare: Annotated[
        str | None,
        typer.Option(
            metavar="LINE", help="a command line that is run once in every version, such as uv sync", rich_help_panel=CODE
        ),
    ] = None,
    question: cli_options.Question = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLAIM",
            help="what you expect, such as 'no_loss: HEAD'; repeatable; default: every version improves on the first",
            rich_help_panel=cli_options.EXPERIMENT,
        ),
    ] = None,
    margin: cli_options.Margin = None,
    seeds: Annotated[
        str,
        typer.Option(
            metavar="N|LOOKS",
            help="number of seeds of each version, or interim looks such as 3,5,8, at which claims are judged and training may "
            "stop",
            rich_help_panel=cli_options.EXPERIMENT,
        ),
    ] = "5",
    first_seed: cli_options.NewFirstSeed = 0,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="the probability of a wrong verdict; default: 0.05", rich_help_panel=cli_options.EXPERIMENT
        ),
    ] = None,
    futility: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="close a claim at a look if its probability of being decided by the last one is below this, such as 0.1",
            rich_help_panel=cli_options.EXPERIMENT,
        ),
    ] = None,
    loop: cli_options.Loop = None,
    retry: cli_options.Retry = None,
    replan: cli_options.Replan = False,
    workers: cli_options.Workers = 1,
    share_gpu: cli_options.ShareGpu = 1,
    device: cli_options.Device = "auto",
    stop_after: cli_options.StopAfter = None,
    idle: cli_options.Idle = None,
    dry_run: cli_options.DryRun = False,
    sd: cli_options.Sd = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="write the experiment file of the same plan there, such as into experiments, and start nothing",
        ),
    ] = None,
    track: cli_options.Track = "auto",
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    require: cli_options.Require = None,
    worker_option: cli_options.WorkerOptions = None,
) -> None:
    """Compare versions of the code in a git repository: train each with the same seeds, judge the claims, write the report. The
    same command continues after a stop, and runs of the same code are not trained again.

    Examples:
      harness compare main feature/muon \\
        --command "python train.py --seed={seed}" \\
        --metric "val_loss=val loss {value}" --seeds 3,5,8 --margin 0.002
      harness compare main HEAD --command "python train.py --seed={seed}" \\
        --metric "val_loss=val loss {value}" --seeds 5 --margin 0.01 \\
        --claim "no_loss: HEAD" --require supported --json
      harness compare HEAD . --command "python train.py --seed={seed}" \\
        --metric accuracy --seeds 5 --margin 0.5 --into experiments

    Exit codes:
      0   every run completed, or the versions have the same code
      1   a run failed or diverged
      2   bad input or usage, or a worker that could not start
      3   every run completed, but the verdicts do not meet --require
      75  interrupted; the same command continues
    """
    from harness.analysis.verdicts import required
    from harness.execution.devices import resolve_device
    from harness.execution.options import WorkerOptions
    from harness.experiment.comparison import Comparison, named
    from harness.experiment.draft import check_printable, read_program, read_setting, refuse_repeated
    from harness.store.records import Store
    from harness.tasks.command.code.repository import top_of
    from harness.terminal import shell

    cli_options.check_sd(sd, dry_run and into is None)
    check_printable(command, question, resume, prepare, *refs, *(claim or ()), *(link or ()))
    try:
        top = top_of(repository)
    except InputError as error:
        raise InputError(f"--repository {repository}: {error}") from error
    inside = directory if directory is not None else str(repository.resolve().relative_to(top))
    program = read_program(command, metric or (), style, top / inside)
    knobs = [read_setting(text, program.style) for text in set_ or ()]
    refuse_repeated("--set", [knob.name for knob in knobs])
    if not program.has_seed:
        shell.say("the command has no {seed}: the program must read $HARNESS_SEED")
    comparison = Comparison(
        refs=refs,
        program=program,
        repository=repository,
        seeds=seeds,
        first_seed=first_seed,
        margin=margin,
        claims=claim or (),
        knobs=knobs,
        directory=inside,
        link=link or (),
        prepare=prepare,
        inputs=input_ or (),
        resume=resume,
        question=question,
        alpha=alpha,
        futility=futility,
    )
    experiment = comparison.experiment()
    required.check(require, "the comparison", experiment.claims, rehearsal=False)
    options = WorkerOptions.read(worker_option or (), retry=retry, stop_after=stop_after, idle=idle, track=track)
    options.check()
    if into is not None and loop is not None:
        raise InputError("--into: a file is not a member of a loop; remove --loop")
    starts = not dry_run and into is None
    store = Store.open(results, create=starts, must_exist=False)
    found = named(experiment, resolve_device(device), loop)
    if found.same:
        raise typer.Exit(_same_code(found, require, as_json))
    if into is not None:
        _write(comparison, found, into)
    elif dry_run:
        from harness.execution.planning import plan_experiment
        from harness.terminal import dry_run as dry_run_screen
        from harness.terminal import json_output

        plan, _ = plan_experiment(store, found.experiment, device, replan=replan, loop=loop, joins=False)
        preview = dry_run_screen.preview(store, plan, sd)
        if as_json:
            shell.show_json(json_output.dry_run(preview))
        else:
            shell.show(dry_run_screen.dry_run(preview))
    else:
        from harness.launch.experiment import run_experiment

        outcome = run_experiment(
            found.experiment,
            results,
            device=device,
            replan=replan,
            loop=loop,
            workers=workers,
            share_gpu=share_gpu,
            options=options,
            show=lambda found: found.requiring(require, results).show(results, as_json),
        )
        raise typer.Exit(outcome.requiring(require, results).exit_code)


def _same_code(found: Named, require: Requirement | None, as_json: bool) -> int:
    """Say that nothing is to be compared; the exit code. Raises InputError if other versions could be."""
    from harness.experiment.comparison import SAME_CODE
    from harness.terminal import shell

    if len(found.same) + 1 < len(found.experiment.variants):
        raise InputError(found.nothing_to_compare)
    met = require != "supported" or all(claim.kind in SAME_CODE for claim in found.experiment.claims)
    if as_json:
        answer: dict[str, Any] | None = None if require is None else {"requirement": require, "met": met, "unmet": []}
        shell.show_json({"name": found.experiment.name, "same_code": dict(found.same), "verdicts": [], "required": answer})
    else:
        shell.show(found.nothing_to_compare)
    if not met:
        shell.say(f"--require {require} is not met: the same code cannot improve")
    return EXIT_OK if met else EXIT_NOT_MET


def _write(comparison: Comparison, found: Named, into: Path) -> None:
    """Write the experiment file. Raises InputError if another one of its name exists."""
    from harness.experiment.scaffold import text_of
    from harness.terminal import shell

    name = found.experiment.name
    path, text = into / f"{name}.yaml", text_of(comparison.draft(name, into))
    if path.exists() and path.read_text() != text:
        raise InputError(f"{path}: already exists with other content; remove it, or choose another folder with --into")
    into.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    shell.show(str(path))
    shell.say(f"run it here with: harness run {path}; on a cluster with: harness submit {path} --site SITE.yaml")


main = main_of(compare)

if __name__ == "__main__":
    sys.exit(main())
