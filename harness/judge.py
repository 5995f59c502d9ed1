"""`harness judge`: judges results that exist already; the verdicts are retrospective."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of

# The groups of options in the help.
TABLE = "What is in which column"
CLAIMS = "What is claimed"


class Source(StrEnum):
    """What is read."""

    file = "file"
    wandb = "wandb"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


def judge(
    *,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="a table (CSV, TSV, JSON lines, Parquet; - is standard input), a folder of TensorBoard or MLflow, or with "
            "--from wandb ENTITY/PROJECT",
        ),
    ],
    from_: Annotated[
        Source | None,
        typer.Option("--from", metavar="file|wandb|tensorboard|mlflow", help="what SOURCE is; default: by what is there"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[:GOAL[:UNIT]]",
            help="what was measured, such as accuracy:maximize:%; repeatable",
            rich_help_panel=TABLE,
        ),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="the column that names the variant", rich_help_panel=TABLE)
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="a column of settings, such as lr; their combinations are the variants; repeatable",
            rich_help_panel=TABLE,
        ),
    ] = None,
    wide: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="the columns that hold the values of one variant each", rich_help_panel=TABLE),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="the seed; variants are compared on the seeds that both have", rich_help_panel=TABLE),
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option(
            "--unpaired", help="equal seeds of two variants have nothing in common: Welch's test", rich_help_panel=TABLE
        ),
    ] = False,
    step: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="the epoch, if a run has several rows; its last one counts", rich_help_panel=TABLE),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="the case of an evaluation, if rows are outcomes: claims are across cases",
            rich_help_panel=TABLE,
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="the group of a case, such as its document", rich_help_panel=TABLE)
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="only rows with this value; repeatable", rich_help_panel=TABLE),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="what the variants are compared with", rich_help_panel=CLAIMS)
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLAIM",
            help="what is claimed, such as 'improves: new'; without any, all differences are exploratory; repeatable",
            rich_help_panel=CLAIMS,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(metavar="X", help="the smallest difference that matters, in the metric's unit", rich_help_panel=CLAIMS),
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, metavar="X", help="the level of all claims together", rich_help_panel=CLAIMS)
    ] = 0.05,
    question: Annotated[
        str | None, typer.Option(metavar="TEXT", help="the question, for the report", rich_help_panel=CLAIMS)
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="write a report, such as results/reports/NAME", rich_help_panel=cli_options.RESULTS),
    ] = None,
    require: cli_options.Require = None,
    as_json: cli_options.AsJson = False,
) -> None:
    """Judge results that exist already. Columns that are not given are guessed; the guess is shown.

    The verdicts are RETROSPECTIVE: the claims were made after the results.

    Examples:
      harness judge results.csv
      harness judge results.csv --variant model --baseline base \\
        --metric accuracy:maximize:% --claim "improves: new" --margin 0.5
      harness judge sweep.csv --factor lr --baseline lr=0.1 --metric val_loss
      harness judge team/project --from wandb --variant optimizer --metric val/loss

    Exit codes:
      0   judged
      2   bad input or usage
      3   the verdicts do not meet --require
    """
    from harness.analysis.verdicts.required import answer
    from harness.errors import EXIT_NOT_MET, InputError
    from harness.reporting import phrases
    from harness.terminal import shell
    from harness.terminal.judged import judge_results

    if from_ is None and source != "-" and not Path(source).exists() and source.count("/") == 1 and not Path(source).suffix:
        raise InputError(f"{source}: no such file or folder; for a project of Weights & Biases add --from wandb")
    if require is not None and not claim:
        raise InputError(f"--require {require}: nothing is claimed; add --claim, or remove --require")
    if into is not None:
        from harness.reporting.pages.existing import check_folder

        check_folder(into)
    options = {
        "from": from_ and from_.value,
        "variant": variant,
        "factor": factor,
        "wide": wide,
        "seed": seed,
        "unpaired": unpaired,
        "step": step,
        "case": case,
        "group": group,
        "where": where,
        "metric": metric,
        "baseline": baseline,
        "claim": claim,
        "margin": margin,
        "alpha": alpha if alpha != 0.05 else None,
        "question": question,
        "into": into,
    }
    judged = judge_results(
        source,
        claims=claim or (),
        variant=variant,
        factor=factor or (),
        seed=seed,
        metric=metric or (),
        baseline=baseline,
        margin=margin,
        alpha=alpha,
        step=step,
        case=case,
        group=group,
        wide=wide or (),
        where=where or (),
        unpaired=unpaired,
        kind=from_.value if from_ else None,
        name=into.name if into is not None else None,
        question=question,
        command=_command(source, options),
    )
    report = str(into / "index.html") if into is not None else None
    found = answer(judged.found.judgement, require, registered=False) if require is not None else None
    if as_json:
        shell.show_json(judged.document(report, found))
    else:
        shell.show(judged.screen(report))
    unmet = found is not None and not found.met
    if found is not None and unmet:
        shell.say(phrases.unmet(found, judged.verdicts))
    if into is not None:
        with shell.drawing():
            judged.write(into)
    if unmet:
        raise typer.Exit(EXIT_NOT_MET)


def _command(source: str, options: Mapping[str, Any]) -> str:
    """The command line that judges the same again."""
    words = ["harness", "judge", source]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{name}"] if each is True else [] if each in (None, False) else [f"--{name}", _text(each)]
    return shlex.join(words)


def _text(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


main = main_of(judge)


class _CallableModule(ModuleType):
    """`harness.judge(frame)` works even where this module, which has the function's name, was imported before."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from harness.terminal.judged import judge as judge_any

        return judge_any(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule

if __name__ == "__main__":
    sys.exit(main())
