"""Where results are -> ResultsTable."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.errors import InputError
from harness.existing.files import STANDARD_INPUT, read_file
from harness.existing.mlflow_runs import is_mlflow, read_mlflow
from harness.existing.results_table import ResultsTable
from harness.existing.tensorboard_runs import has_event_files, read_tensorboard
from harness.existing.wandb_runs import read_wandb

Kind = Literal["file", "wandb", "tensorboard", "mlflow"]
READERS = {"file": read_file, "wandb": read_wandb, "tensorboard": read_tensorboard, "mlflow": read_mlflow}


def read(source: str, kind: Kind | None = None) -> ResultsTable:
    """`kind` None: by what is at the path. Raises InputError, or PackageError if a package that it needs is not installed."""
    if not source:
        raise InputError("no file was named; give a path, or - for standard input")
    return READERS[kind or _kind(source)](source)


def _kind(source: str) -> Kind:
    path = Path(source)
    if source == STANDARD_INPUT:
        return "file"
    if is_mlflow(path):
        return "mlflow"
    if not path.is_dir():
        return "file"
    if has_event_files(path):
        return "tensorboard"
    raise InputError(
        f"{source}: the folder has neither event files of TensorBoard nor runs of MLflow; give a file,"
        " or say what wrote it: --from tensorboard, --from mlflow"
    )
