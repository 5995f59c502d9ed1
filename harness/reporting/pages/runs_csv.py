"""Findings -> runs.csv: one row a planned run, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from harness.experiment.plan import PlannedRun
from harness.reporting.pages.report_data import Findings

OWN = ("id", "variant", "seed", "look", "state", "reason")
ORIGIN = ("device", "commit", "dirty", "code")
# A text that begins with one of these is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def render(findings: Findings) -> str:
    """The file's text: a line of names, then a line a run, in the plan's order.

    Beside what names the run and how it ended stand all numbers of its result in the metrics' units (of a run that failed or
    diverged, what it measured last), then the device and the code of its first start. What is not known is empty.
    """
    measured = dict.fromkeys(name for run in findings.plan.runs for name in findings.records[run.id].metrics)
    numbers = [
        *(name for name in findings.metrics if name in measured),
        *(name for name in measured if name not in findings.metrics),
    ]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(map(cell, (*OWN, *numbers, *ORIGIN)))
    for run in findings.plan.runs:
        table.writerow(map(cell, row(findings, run, numbers)))
    return stream.getvalue()


def row(findings: Findings, run: PlannedRun, numbers: list[str]) -> Iterator[Any]:
    """The cells of a run."""
    record, origin = findings.records[run.id], findings.origins.get(run.id)
    yield from (run.id, run.variant, run.seed, run.look, record.state, record.reason)
    yield from (record.metrics.get(name) for name in numbers)
    yield from (origin.device, origin.code.commit, origin.code.dirty, origin.code.digest) if origin else (None,) * len(ORIGIN)


def cell(value: Any) -> Any:
    """Numbers as they are; a text that a spreadsheet would take for a formula with an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
