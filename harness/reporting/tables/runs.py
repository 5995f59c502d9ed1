"""The runs that the looks of a plan ask for so far: a row each, with links to its folder, its files and its page in W&B."""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable, Link
from harness.reporting.tables.variants import finite
from harness.store.provenance import Code

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData

PAGE = re.compile(r"https?://[\w.:/~%+=@-]+")
FILES = ("log.txt", "metrics.jsonl", "result.json", "provenance.json", "spec.json")


def run_table(report: ReportData) -> DisplayTable:
    """By variant, then seed."""
    order = {label: place for place, label in enumerate(report.plan.variants)}
    asked = sorted(report.asked, key=lambda run: (order[run.variant], run.seed))
    records = [report.records[run.id] for run in asked]
    origins = [report.origins.get(run.id) for run in asked]
    # What a failed or diverged run measured last is no result.
    values = [record.metrics.get(report.metric, math.nan) if record.state == "completed" else math.nan for record in records]
    measured = [record.metrics.get(report.metric, math.nan) for record in records]
    places = phrases.decimals(measured, report.metrics[report.metric])
    first = {run.variant: run.id for run in reversed(asked)}
    runs, variants, files, pages = [], [], [], []
    for run, record, origin in zip(asked, records, origins, strict=True):
        folder = f"../../runs/{run.id}/"
        there = _files(report.results / "runs" / run.id) if origin or record.finished else ()
        url = origin.url if origin and origin.url and PAGE.fullmatch(origin.url) else ""
        runs.append(Cell(links=(Link(run.id, folder if there else "", code=True),), anchor=f"run-{run.id}"))
        variants.append(Cell(run.variant, anchor=f"runs-{order[run.variant]}" if run.id == first[run.variant] else ""))
        named = [Link(name.partition(".")[0], folder + name) for name in there]
        files.append(Cell(links=(*named, *([Link("W&B", url)] if url else []))))
        pages.append(Cell(links=(Link("page", url),) if url else ()))
    times = [record.seconds for record in records]
    columns = [
        Column("run", cells=runs),
        Column("variant", cells=variants),
        Column("seed", "right", cells=[Cell(str(run.seed)) for run in asked]),
        Column("state", cells=[Cell(" ".join(filter(None, [record.state, record.reason]))) for record in records]),
        Column("epochs", "right", cells=[Cell(str(record.epoch)) for record in records]),
        Column(
            phrases.label(report.metric),
            "right",
            unit=report.metrics[report.metric].unit,
            cells=[Cell(phrases.number(value, places), value=finite(value)) for value in values],
        ),
        Column("time", "right", cells=[Cell("" if time is None else phrases.clock(time), value=time) for time in times]),
        Column("device", cells=[Cell(origin.device if origin else "") for origin in origins]),
        Column("commit", holds="code", cells=[Cell(commit(origin.code) if origin else "") for origin in origins]),
        Column("files", cells=files, formats=("html",)),
        Column("W&B", cells=pages, formats=("markdown",)),
    ]
    return DisplayTable([replace(column, optional=True) for column in columns], "Runs")


def _files(folder: Path) -> tuple[str, ...]:
    """What there is of FILES. One look at the folder: asking for each takes a second where there are ten thousand runs."""
    try:
        there = set(os.listdir(folder))  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return ()  # it was removed since it was read
    return tuple(name for name in FILES if name in there)


def commits(report: ReportData) -> list[str]:
    """The commits that runs were trained by."""
    return sorted({commit(origin.code) for origin in report.origins.values()} - {""})


def commit(code: Code) -> str:
    """The beginning of the commit's name, with a plus where files differed from it; empty without one."""
    return "" if code.commit is None else f"{code.commit[:10]}{'+' if code.dirty else ''}"
