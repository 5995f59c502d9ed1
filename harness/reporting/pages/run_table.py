"""Findings -> the table of runs: a row a run that the looks ask for."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.experiment.plan import PlannedRun
from harness.reporting import phrases
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.rows import finite
from harness.store.provenance import Code

PAGE = re.compile(r"https?://[\w.:/~%+=@-]+")
FILES = ("log.txt", "metrics.jsonl", "result.json", "provenance.json", "spec.json")


@dataclass(frozen=True)
class RunRow:
    """A run. `sort` and `seconds` are what its columns sort by; `first` is its variant's place where its rows begin here."""

    id: str
    variant: str
    first: int | None
    seed: int
    state: str
    epochs: int
    value: str
    sort: float | None
    time: str
    seconds: float | None
    device: str
    commit: str
    url: str  # of its page in W&B; empty without one
    files: tuple[str, ...]  # of its folder; none: there is no folder to link to


def run_rows(findings: Findings) -> list[RunRow]:
    """By variant, then seed."""
    order = {label: place for place, label in enumerate(findings.plan.variants)}
    asked = sorted(findings.asked, key=lambda run: (order[run.variant], run.seed))
    values = [findings.records[run.id].metrics.get(findings.metric, math.nan) for run in asked]
    places = phrases.decimals(values, findings.metrics[findings.metric])
    seen: set[str] = set()
    rows = []
    for run, value in zip(asked, values, strict=True):
        first = None if run.variant in seen else order[run.variant]
        seen.add(run.variant)
        rows.append(_row(findings, run, value, places, first))
    return rows


def _row(findings: Findings, run: PlannedRun, value: float, places: int, first: int | None) -> RunRow:
    record, origin = findings.records[run.id], findings.origins.get(run.id)
    # What a failed or diverged run measured last is no result.
    shown = value if record.state == "completed" else math.nan
    return RunRow(
        id=run.id,
        variant=run.variant,
        first=first,
        seed=run.seed,
        state=" ".join(filter(None, [record.state, record.reason])),
        epochs=record.epoch,
        value=phrases.number(shown, places),
        sort=finite(shown),
        time="" if record.seconds is None else phrases.clock(record.seconds),
        seconds=record.seconds,
        device=origin.device if origin else "",
        commit=commit(origin.code) if origin else "",
        url=_link(origin.url) if origin and origin.url else "",
        files=_files(findings.results / "runs" / run.id) if origin or record.ended else (),
    )


def _link(url: str) -> str:
    """`url` if it is the address of a page, without characters that would end it in Markdown or HTML."""
    return url if PAGE.fullmatch(url) else ""


def _files(folder: Path) -> tuple[str, ...]:
    """What there is of FILES. One look at the folder: asking for each takes a second where there are ten thousand runs."""
    try:
        there = set(os.listdir(folder))  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return ()  # it was removed since it was read
    return tuple(name for name in FILES if name in there)


def commits(findings: Findings) -> list[str]:
    """The commits that runs were trained by."""
    return sorted({commit(origin.code) for origin in findings.origins.values()} - {""})


def commit(code: Code) -> str:
    """The beginning of the commit's name, with a plus where files differed from it; empty without one."""
    return "" if code.commit is None else f"{code.commit[:10]}{'+' if code.dirty else ''}"
