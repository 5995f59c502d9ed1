"""The metrics of a program -> the followers of the files that they are read from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from harness.common.optional_packages import require
from harness.tasks.command.files.document import Document
from harness.tasks.command.files.events import Events
from harness.tasks.command.files.follow import Explaining, FollowedRows
from harness.tasks.command.files.json_lines import JsonLines
from harness.tasks.command.files.pace import Clock
from harness.tasks.command.files.place import Place, in_run_dir
from harness.tasks.command.files.reading import Follower
from harness.tasks.command.files.runs import STEP, Runs, Wanted
from harness.tasks.command.files.table import Table
from harness.tasks.command.measure import Measure

SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}
JSON, JSON_LINES = (".json",), (".jsonl", ".ndjson")


def followers(
    metrics: Mapping[str, Measure], run_dir: Path, *, resumes: bool = False, clock: Clock = time.monotonic
) -> list[Follower]:
    """One for each file, one for TensorBoard, one for W&B; none for metrics of the output and of $HARNESS_METRICS.

    Made before the program starts. `resumes`: the program may begin further files when it resumes. Raises PackageError if a
    package is missing, TrainingFailed for files that an earlier attempt left.
    """
    found: list[Follower] = []
    files: dict[tuple[str | None, ...], dict[str, Measure]] = {}
    for name, measure in metrics.items():
        if measure.file is not None:
            same = (measure.file, kind(measure), measure.step, measure.decimal)
            files.setdefault(same, {})[name] = measure
    for group in files.values():
        found.append(_file(group, run_dir, resumes=resumes, clock=clock))
    if tags := {name: measure.tensorboard for name, measure in metrics.items() if measure.tensorboard is not None}:
        require(["tensorboard"], "metrics from TensorBoard")
        found.append(Events(tags, run_dir, resumes=resumes, clock=clock))
    if keys := {
        name: Wanted(measure.wandb, measure.step or STEP) for name, measure in metrics.items() if measure.wandb is not None
    }:
        found.append(Runs(keys, run_dir, resumes=resumes, clock=clock))
    return found


def kind(measure: Measure) -> str | None:
    """Of a metric with `file`: table, document or lines; None if neither the extension nor column or key says it."""
    extension = PurePosixPath(measure.file or "").suffix.lower()
    if extension in SEPARATORS:
        return None if measure.key is not None else "table"
    if extension in JSON + JSON_LINES:
        return None if measure.column is not None else "document" if extension in JSON else "lines"
    return "table" if measure.column is not None else "lines" if measure.key is not None else None


def wrong_kind(measure: Measure) -> str | None:
    """What is wrong with column and key of a metric with `file`, or None."""
    if kind(measure) is not None:
        return None
    if measure.column is not None:
        return f"{measure.file} is JSON; use key instead of column"
    if measure.key is not None:
        return f"{measure.file} is a table; use column instead of key"
    return f"{measure.file} may be a table or JSON lines; add column: or key:"


def _file(metrics: Mapping[str, Measure], run_dir: Path, *, resumes: bool, clock: Clock) -> Follower:
    first = next(iter(metrics.values()))
    pattern = in_run_dir(first.file or "")
    place = Place(run_dir, pattern, resumes=resumes, clock=clock)
    wanted = {name: measure.column or measure.key or name for name, measure in metrics.items()}
    step, decimal = first.step, first.decimal
    if kind(first) == "document":
        return Document(place, wanted, step=step, decimal=decimal)
    parsers: dict[str | None, Callable[[str], Explaining]] = {
        "table": lambda name: Table(
            name, wanted, step=step, decimal=decimal, separators=SEPARATORS.get(PurePosixPath(pattern).suffix.lower(), ",;\t")
        ),
        "lines": lambda name: JsonLines(name, wanted, step=step, decimal=decimal),
    }
    return FollowedRows(tuple(metrics), place, parsers[kind(first)], clock)
