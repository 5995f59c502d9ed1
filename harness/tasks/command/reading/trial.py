"""What would be read from output that exists already: from a log, or from a folder that a program has written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.tasks.command.cases import CaseFile, Cases, collect, read_files
from harness.tasks.command.files.followers import followers
from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.finder import Finder, Found
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.log import is_log, last_output
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import TrainingFailed
from harness.tasks.results import taken

FILES = "files"  # {run_dir} in the folder of a run
LOGS = ("log.txt", "run.log", "train.log", "output.log")  # of a folder


@dataclass(frozen=True)
class TriedLine:
    """A line in which a metric was found, or where it could not be read (`problem`)."""

    number: int
    text: str
    metric: str
    found: Found | None
    problem: str = ""


@dataclass(frozen=True)
class Trial:
    """The lines with metrics, the rows of a run with this output, and its result.

    `problem`: why it would fail, `diverged`: why it would diverge (empty: it would not); then there is no result.
    """

    path: Path
    count: int  # of lines
    lines: tuple[TriedLine, ...]
    rows: tuple[Mapping[str, Any], ...]
    problem: str
    diverged: str = ""
    result: Mapping[str, float] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)  # metric -> row of its result, if it is not the last one
    cases: int = 0  # of an evaluation


def tried(metrics: Mapping[str, Measure], path: Path, *, resumes: bool = False, cases: CaseFile | None = None) -> Trial:
    """Read the output at `path`: a log file, or a folder with the files that a program wrote (and a log, if `LOGS` has its name).

    Of a run in the results folder, its log or its folder.
    Raises InputError if it cannot be read, DeviceError if a package to read it is missing.
    """
    folder = path if path.is_dir() else path.parent
    log = next((path / name for name in LOGS if (path / name).is_file()), None) if path.is_dir() else path
    try:
        data = log.read_bytes() if log is not None else b""
    except OSError as error:
        raise InputError(f"--try {path}: cannot be read: {error.strerror}; use a log file, or a folder with one") from error
    if is_log(data):
        printed = last_output(data)
        if printed is None:
            raise InputError(f"--try {path}: the log of a run whose program was never started; use a log with its output")
        data = printed
        folder = folder / FILES if (folder / FILES).is_dir() else folder
    reader = Lines()
    texts = [*reader.add(data), *reader.end()]
    try:
        evaluated = collect(read_files(cases, folder, metrics), metrics) if cases is not None else Cases({})
    except TrainingFailed as error:
        return Trial(path, len(texts), tuple(_lines(metrics, texts)), (), str(error))
    rows, problem = _rows(metrics, texts, folder, resumes, evaluated.means(metrics))
    trial = Trial(path, len(texts), tuple(_lines(metrics, texts)), tuple(rows), problem, cases=evaluated.count)
    return trial if problem or not rows else _with_result(trial, metrics)


def _with_result(trial: Trial, metrics: Mapping[str, Measure]) -> Trial:
    bad = [(name, row) for row in trial.rows for name in metrics if row[name] is not None and not isfinite(row[name])]
    if bad:
        name, row = bad[0]
        return replace(trial, diverged=f"{name} is {row[name]:g} in row {row['epoch']}")
    try:
        chosen = taken(trial.rows, {name: measure.metric for name, measure in metrics.items()})
    except TrainingFailed as error:
        return replace(trial, problem=str(error))
    values = {name: trial.rows[chosen.get(name, 0) - 1][name] for name in metrics}
    return replace(trial, result={name: value for name, value in values.items() if value is not None}, taken=chosen)


def _lines(metrics: Mapping[str, Measure], texts: list[str]) -> list[TriedLine]:
    found = []
    finders = [Finder(name, measure) for name, measure in metrics.items() if measure.source in ("pattern", "text")]
    for number, text in enumerate(texts, 1):
        for finder in finders:
            try:
                if value := finder.find(text):
                    found.append(TriedLine(number, text, finder.name, value))
            except TrainingFailed as error:
                found.append(TriedLine(number, text, finder.name, None, str(error)))
    return found


def _rows(
    metrics: Mapping[str, Measure], texts: list[str], folder: Path, resumes: bool, means: Mapping[str, float]
) -> tuple[list[Mapping[str, Any]], str]:
    output, problem = Output(metrics, files=followers(metrics, folder, resumes=resumes)), ""
    try:
        for number, text in enumerate(texts, 1):
            try:
                output.line(text)
            except TrainingFailed as error:
                raise TrainingFailed("output", f"line {number}: {error}") from error
        if means:
            output.add_last(means)
        output.end()
        missing = [name for name in output.missing if metrics[name].source is not None]
        problem = output.why_missing(missing[0]) if missing else ""
    except TrainingFailed as error:
        problem = str(error)
    return [*iter(output.take, None)], problem
