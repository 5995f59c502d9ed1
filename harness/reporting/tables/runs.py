"""Table of the runs required by the looks so far, with links to folder, files and W&B page."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiment.plan import PlannedRun
from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable, Link
from harness.reporting.tables.variants import finite
from harness.reporting.tables.versions import commit_link
from harness.store.atomic import names
from harness.store.provenance import Code, Provenance
from harness.store.records import Record

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData

PAGE = re.compile(r"https?://[\w.:/~%+=@-]+")
MOST_ROWS = 2_000  # a table of more is neither read nor sorted by a browser at once; runs.csv has all
FILES = ("log.txt", "metrics.jsonl", "result.json", "provenance.json", "spec.json")


def run_table(report: ReportData, linked: Collection[str] = ()) -> DisplayTable:
    """By variant, then in the plan's order of seeds. Of more than `MOST_ROWS` runs, only some, as its note says.

    `linked`: ids of runs that the page links to, which are always there.
    """
    order = {label: place for place, label in enumerate(report.plan.variants)}
    every = sorted(report.requested, key=lambda run: order[run.variant])
    requested = shortened(every, report.records, linked, MOST_ROWS)
    records = [report.records[run.id] for run in requested]
    origins = [report.origins.get(run.id) for run in requested]
    # The last measurement of a failed or diverged run is not a result.
    values = [record.metrics.get(report.metric, math.nan) if record.state == "completed" else math.nan for record in records]
    measured = [record.metrics.get(report.metric, math.nan) for record in records]
    places = phrases.decimals(measured, report.metrics[report.metric])
    first = {run.variant: run.id for run in reversed(requested)}
    runs, variants, files, pages = [], [], [], []
    for run, record, origin in zip(requested, records, origins, strict=True):
        folder = f"../../runs/{run.id}/"
        existing = _files(report.results / "runs" / run.id) if origin or record.finished else ()
        url = origin.url if origin and origin.url and PAGE.fullmatch(origin.url) else ""
        runs.append(Cell(links=(Link(run.id, folder if existing else "", code=True),), anchor=f"run-{run.id}"))
        variants.append(Cell(run.variant, anchor=f"runs-{order[run.variant]}" if run.id == first[run.variant] else ""))
        named = [Link(name.partition(".")[0], folder + name) for name in existing]
        files.append(Cell(links=(*named, *([Link("W&B", url)] if url else []))))
        pages.append(Cell(links=(Link("page", url),) if url else ()))
    times = [record.seconds for record in records]
    columns = [
        Column("run", cells=runs),
        Column("variant", cells=variants),
        Column("seed", "right", cells=[Cell(str(run.seed)) for run in requested]),
        Column("state", cells=[Cell(" ".join(filter(None, [record.state, record.reason]))) for record in records]),
        Column("epochs", "right", cells=[Cell(str(record.epoch) if report.existing is None else "") for record in records]),
        Column(
            phrases.label(report.metric),
            "right",
            unit=report.metrics[report.metric].unit,
            cells=[Cell(phrases.number(value, places), value=finite(value)) for value in values],
        ),
        Column("time", "right", cells=[Cell("" if time is None else phrases.clock(time), value=time) for time in times]),
        Column("device", cells=[Cell(origin.device if origin else "") for origin in origins]),
        *_commits(report, origins),
        Column("files", cells=files, formats=("html",)),
        Column("W&B", cells=pages, formats=("markdown",)),
    ]
    note = "" if len(requested) == len(every) else _left_out(len(requested), len(every))
    return DisplayTable([replace(column, optional=True) for column in columns], "Runs", note)


def shortened(
    runs: Sequence[PlannedRun], records: Mapping[str, Record], linked: Collection[str], most: int
) -> Sequence[PlannedRun]:
    """`runs`, which are sorted by variant, or about `most` of them: `linked`, up to half of them that have begun and not
    completed, and of each variant the first ones, equally many.
    """
    if len(runs) <= most:
        return runs
    wanted = {*linked}
    wanted |= {*islice((run.id for run in runs if records[run.id].state not in ("completed", "pending")), most // 2)}
    by_variant = [list(own) for _, own in groupby(runs, key=lambda run: run.variant)]
    each = max((most - len(wanted)) // len(by_variant), 1)
    wanted |= {run.id for own in by_variant for run in own[:each]}
    return [run for run in runs if run.id in wanted]


def _left_out(shown: int, of: int) -> str:
    return (
        f"{shown:,d} of {of:,d} runs: those that failed, diverged, were interrupted or train now (at most {MOST_ROWS // 2:,d}), "
        "and the first seeds of each variant; runs.csv has every run"
    )


def _files(folder: Path) -> tuple[str, ...]:
    """The existing FILES. One listdir: a stat for each takes a second for ten thousand runs."""
    existing = set(names(folder))  # none if it was removed meanwhile
    return tuple(name for name in FILES if name in existing)


def _commits(report: ReportData, origins: Sequence[Provenance | None]) -> list[Column]:
    """The commits of the code that trained; where the program's code varies also of the program, linked if they have a page."""
    own = [Cell(commit(origin.code) if origin else "") for origin in origins]
    if not report.plan.code:
        return [Column("commit", holds="code", cells=own)]
    pages = {version.commit: commit_link(version).target for version in report.plan.code.values()}
    programs = [origin.program if origin else None for origin in origins]
    linked = [
        Cell(text, links=(Link(text, pages.get(code.commit or "", ""), code=True),))
        if code and (text := commit(code))
        else Cell()
        for code in programs
    ]
    return [Column("commit", holds="code", cells=linked), Column("harness's commit", holds="code", cells=own)]


def commits(report: ReportData) -> list[str]:
    """The commits that runs were trained by."""
    return sorted({commit(origin.code) for origin in report.origins.values()} - {""})


def commit(code: Code) -> str:
    """The abbreviated commit, with a plus if the working tree differed; empty without a commit."""
    return "" if code.commit is None else f"{code.commit[:10]}{'+' if code.dirty else ''}"
