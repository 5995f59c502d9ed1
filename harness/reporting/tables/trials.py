"""Tables of a search's trials, of the best ones, and of their confirmation; each number carries its run ids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import stdev
from textwrap import shorten
from typing import TYPE_CHECKING

from harness.experiment.space import Value, shown
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.phrases.trials import names, values
from harness.reporting.tables.model import Cell, Column, DisplayTable, Link
from harness.search.trials import Trial, front, ranked
from harness.store.atomic import is_folder
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.reporting.figures import SeedValues
    from harness.reporting.pages.search_data import SearchReportData

REASON = 160  # characters of a trial's reason
BEST = 5  # trials in the terminal


def trial_table(report: SearchReportData) -> DisplayTable:
    """A row per trial, with its objectives and parameters."""
    study, trials = report.study, report.trials
    follower = {trial.follows: trial.number for trial in trials if trial.follows is not None}
    if len(study.objectives) > 1:
        best = {trial.number for trial in front(study, trials)}
    else:
        best = {report.best.number} if report.best else set()

    def cells(texts: Sequence[str], numbers: Sequence[float]) -> list[Cell]:
        return [Cell(text, trial.runs, number or None) for text, trial, number in zip(texts, trials, numbers, strict=True)]

    marks = [("best",) if trial.number in best else () for trial in trials]
    numbered = [
        Cell(str(one.number), notes=notes, anchor=f"trial-{one.number}") for one, notes in zip(trials, marks, strict=True)
    ]
    columns = [Column("trial", "right", cells=numbered), Column("state", cells=[Cell(trial.state) for trial in trials])]
    for name in study.objectives:
        columns.append(Column(report.subject.axis(name), "right", cells=[_objective(report, trial, name) for trial in trials]))
    for name, short in names(study).items():
        columns.append(Column(short, "right", cells=[_parameter(trial.values.get(name)) for trial in trials]))
    epochs = [f"{trial.epochs:,d}" if trial.epochs else "" for trial in trials]
    times = [phrases.clock(trial.seconds) if trial.seconds else "" for trial in trials]
    columns += [
        Column("epochs", "right", cells=cells(epochs, [trial.epochs for trial in trials])),
        Column("time", "right", cells=cells(times, [trial.seconds for trial in trials])),
        Column("runs", cells=[_runs(report, trial.runs) for trial in trials]),
        Column("why", holds="remarks", cells=[Cell(_reason(trial, follower.get(trial.number))) for trial in trials]),
    ]
    return DisplayTable(columns, "Trials")


def _reason(trial: Trial, follower: int | None) -> str:
    wording = [trial.reason or ""]
    wording += [f"continues trial {trial.follows}"] if trial.follows is not None else []
    if follower is not None:
        wording.append(f"continued as trial {follower}" if trial.state == "interrupted" else f"retried as trial {follower}")
    return shorten("; ".join(filter(None, wording)), REASON, placeholder=" …")


def _objective(report: SearchReportData, trial: Trial | None, name: str) -> Cell:
    """An objective of a completed trial; empty for other states."""
    if trial is None or trial.state != "completed":
        return Cell()
    value = trial.objectives[name]
    return Cell(phrases.number(value, report.subject.places(name)), trial.runs, value)


def _parameter(value: Value | None) -> Cell:
    return Cell() if value is None else Cell(shown(value), value=None if isinstance(value, str) else float(value))


def _runs(report: SearchReportData, ids: Sequence[str]) -> Cell:
    """Run ids, linked if their folder exists."""
    there = [is_folder(report.store.paths.run(run_id).folder) for run_id in ids]
    return Cell(
        links=tuple(Link(one, f"../../runs/{one}/" if exists else "", code=True) for one, exists in zip(ids, there, strict=True))
    )


def confirmation_table(report: SearchReportData) -> DisplayTable | None:
    """The best trials, then the base: value in the search, on fresh seeds, and in the comparison with the base.

    None before confirmation starts.
    """
    confirmed, by_number = report.confirmed, {trial.number: trial for trial in report.trials}
    tried: list[tuple[str, Trial | None, SeedValues | None, SeedValues | None, bool]] = []
    for number, on_fresh in confirmed.top.items():
        won = number == confirmed.winner
        final = confirmed.final.get("winner") if won else None
        tried.append((f"trial {number}", by_number[number], on_fresh, final, won))
    if "base" in confirmed.final:
        searched = by_number.get(-1 if report.subject.base is None else report.subject.base)
        tried.append(("base", searched, None, confirmed.final["base"], False))
    if not tried:
        return None
    labels, settings, before, means, finals, runs = [], [], [], [], [], []
    for name, trial, fresh, compared, won in tried:
        link = Link(name, f"#trial-{trial.number}") if trial else Link(name)
        labels.append(Cell(name, notes=("winner",) if won else (), links=(link,)))
        settings.append(Cell(values(report.study, trial.values) if trial and name != "base" else "as in the file"))
        before.append(_objective(report, trial, report.study.metric))
        means.append(_mean(report, fresh))
        finals.append(_mean(report, compared))
        runs.append(_runs(report, [run_id for each in (fresh, compared) if each for run_id in each.runs]))
    columns = [
        Column("configuration", cells=labels),
        Column("setting", holds="remarks", cells=settings),
        Column("in the search", "right", cells=before),
        Column("on fresh seeds", "right", cells=means),
        Column("against the base", "right", cells=finals, optional=True),
        Column("runs", holds="remarks", cells=runs),
    ]
    note = f"{report.subject.axis(report.study.metric)}; ± is sd over seeds"
    return DisplayTable(columns, "The best trials on fresh seeds", note)


def _mean(report: SearchReportData, fresh: SeedValues | None) -> Cell:
    if fresh is None or not fresh.values:
        return Cell()
    sd = stdev(fresh.values) if len(fresh.values) > 1 else math.nan
    return Cell(phrases.spread(fresh.mean, sd, report.subject.places()), fresh.runs, fresh.mean)


def best_trials(study: Study, trials: Sequence[Trial], metrics: Mapping[str, Metric]) -> DisplayTable:
    """A row for each of the best completed trials; with several objectives, of the Pareto front."""
    best = ranked(study, trials)[:BEST]
    heading = "best trials" if len(study.objectives) == 1 else "Pareto front"
    columns = [Column(heading, holds="labels", cells=[Cell(f"trial {trial.number}") for trial in best])]
    for name in study.objectives:
        found = [trial.objectives[name] for trial in best]
        places = phrases.decimals(found, metrics[name])
        unit = "" if metrics[name].unit == name else metrics[name].unit
        texts = [phrases.number(value, places) for value in found]
        columns.append(Column(phrases.label(name), "right", unit=unit, cells=[Cell(text) for text in texts]))
    columns.append(Column("epochs", "right", cells=[Cell(str(trial.epochs)) for trial in best]))
    columns.append(Column("setting", holds="labels", cells=[Cell(values(study, trial.values)) for trial in best]))
    return DisplayTable(columns)
