"""Rows from the log of a run that has ended, without its program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.tasks.command.files.followers import followers
from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.log import parts
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import TrainingFailed


def rows_of_log(metrics: Mapping[str, Measure], log: bytes, ending: str, run_dir: Path, *, resumes: bool) -> list[dict[str, Any]]:
    """The rows that a run with this log and folder would have, without their `seconds`. Raises TrainingFailed if it has none.

    `ending`: the last line of the log, which the harness wrote; `resumes`: the program may have resumed.
    """
    appended = next((name for name, measure in metrics.items() if measure.source is None), None)
    if appended is not None:
        raise TrainingFailed("output", f"{appended} is read from $HARNESS_METRICS, whose lines are not in the log")
    starts = [*parts(log, ending)]
    if not starts:
        raise TrainingFailed("output", "the log has no output of the program")
    if any(part.cut for part in starts):
        raise TrainingFailed("output", "the log lacks a part of the output, which was too long")
    rows: list[dict[str, Any]] = []
    output = Output(metrics)
    for place, part in enumerate(starts):
        rows = rows if part.resumed else []
        output = Output(metrics, rows, files=followers(metrics, run_dir, resumes=resumes))
        del rows[output.count :]
        lines = Lines()
        for line in (*lines.add(part.output), *lines.end()):
            output.line(line)
        if place + 1 < len(starts):
            output.cut()
        else:
            output.end()
        rows += iter(output.take, None)
    if output.missing:
        raise TrainingFailed("output", output.why_missing(output.missing[0]))
    if any(part.resumed for part in starts):
        rows = _filled(rows, metrics, run_dir)
    return [{**row, "seconds": None} for row in rows]


def _filled(rows: list[dict[str, Any]], metrics: Mapping[str, Measure], run_dir: Path) -> list[dict[str, Any]]:
    """The rows with the values that files have for steps of earlier starts, whose output alone was read."""
    in_files = {name: measure for name, measure in metrics.items() if measure.source not in ("pattern", "text")}
    found: dict[int | None, dict[str, float]] = {}
    for follower in followers(in_files, run_dir, resumes=True):
        for reading in follower.end():
            found.setdefault(reading.step, {}).update(reading.values)
    found.pop(None, None)
    own = [found.get(row["step"], {}) for row in rows]
    return [
        {**row, **{name: value for name, value in known.items() if row[name] is None}}
        for row, known in zip(rows, own, strict=True)
    ]
