"""`harness export`: writes the runs of plans and searches as files of TensorBoard, MLflow, pandas or Weights & Biases."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of
from harness.terminal.completion import names_argument

if TYPE_CHECKING:
    from harness.exporting.groups import ExportGroup


class Target(StrEnum):
    """What is written."""

    tensorboard = "tensorboard"
    mlflow = "mlflow"
    csv = "csv"
    wandb_table = "wandb-table"


def export(
    *,
    names: Annotated[list[str], names_argument("plans, searches, or run ids (6 or more digits)")],
    to: Annotated[
        Target,
        typer.Option(metavar="tensorboard|mlflow|csv|wandb-table", help="what to write", rich_help_panel=cli_options.RESULTS),
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="one folder for all names; default: exports/NAME/KIND in the results folder, for each name",
            rich_help_panel=cli_options.RESULTS,
        ),
    ] = None,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Write runs as files of other tools: settings, curves and results; of plans also the verdicts.

    Runs in any state are written, with their state, except those that have
    not begun. A folder is replaced only if it is an earlier export.

    Examples:
      harness export leakyrelu_vs_relu --to tensorboard
      harness export leakyrelu_vs_relu dropout_sweep --to mlflow --into shared
      harness export search --to csv
      harness export 9f1c02ab77de --to wandb-table

    Exit codes:
      0   everything is written
      2   bad input or usage, a library that is missing, or files that cannot
          be read or written
    """
    from harness.exporting.groups import find_group
    from harness.exporting.target import check_place, refuse_foreign
    from harness.store.records import Store
    from harness.terminal import shell

    store = Store.open(results, create=False)
    _require(to)
    found = {group.name: group for group in (find_group(store, name) for name in dict.fromkeys(names))}
    groups = [*found.values()]  # each once: a plan has several names
    parts = [(into, groups)] if into is not None else [(store.paths.export(group.name) / to.value, [group]) for group in groups]
    if into is not None:
        check_place(into, store.paths)
    for folder, _ in parts:
        refuse_foreign(folder, to.value)
    documents = [_write(to, folder, of_folder) for folder, of_folder in parts]
    if as_json:
        shell.show_json({"exports": documents})
        return
    for document in documents:
        print(_in_words(document))


def _require(to: Target) -> None:
    """Raises PackageError if the package that writes the files is not installed."""
    from harness.common.optional_packages import require

    if to in (Target.tensorboard, Target.mlflow):
        require([to.value], f"--to {to.value}")


def _write(to: Target, folder: Path, groups: Sequence[ExportGroup]) -> dict[str, Any]:
    """Write one folder; what was written, as JSON values."""
    from importlib.metadata import version

    from harness.exporting.mlflow_database import write_mlflow
    from harness.exporting.tables import write_csv, write_wandb_tables
    from harness.exporting.target import writing
    from harness.exporting.tensorboard_files import write_tensorboard

    names = [group.name for group in groups]
    with writing(folder, to.value, names, version("ablation-harness")) as new:
        if to is Target.mlflow:
            write_mlflow(groups, new, folder)
        else:
            {
                Target.tensorboard: write_tensorboard,
                Target.csv: write_csv,
                Target.wandb_table: write_wandb_tables,
            }[to](groups, new)
    states = [run.state for group in groups for run in group.runs]
    return {
        "names": names,
        "to": to.value,
        "folder": str(folder),
        "runs": {state: states.count(state) for state in dict.fromkeys(states)},
        "pending": sum(group.pending for group in groups),
        "open": _how_to_open(to, folder),
    }


def _in_words(document: Mapping[str, Any]) -> str:
    from harness.reporting import phrases

    runs = document["runs"]
    counted = ", ".join(f"{count:,d} {state}" for state, count in runs.items())
    rest = f"; not begun: {phrases.plural(document['pending'], 'run')}" if document["pending"] else ""
    what = f"{' and '.join(document['names'])}: {phrases.plural(sum(runs.values()), 'run')} ({counted})"
    return f"{what} in {document['folder']}{rest}\n\n  {document['open']}\n"


def _how_to_open(to: Target, folder: Path) -> str:
    """The command, or the line of Python, that opens the export."""
    import shlex

    if to is Target.tensorboard:
        return f"tensorboard --logdir {shlex.quote(str(folder))}"
    if to is Target.mlflow:
        return f"(cd {shlex.quote(str(folder))} && mlflow ui)"
    if to is Target.csv:
        return f"pandas.read_csv({str(folder / 'runs.csv')!r})"
    return f"artifact.add_file({str(folder / 'runs.table.json')!r})"


main = main_of(export)

if __name__ == "__main__":
    sys.exit(main())
