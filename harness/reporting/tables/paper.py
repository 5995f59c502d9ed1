"""A plan's results -> the table that people put into a paper, and its values as numbers.

A row per variant: which components are on or its level of each factor, then mean ± sd of each claimed metric, with differences
where there is room. A grid of two factors is a two-way table: the rows are the levels of the first factor. The best value is bold
where claims show it to be better than every other (`best_shown`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.verdicts import Row, Table
from harness.analysis.verdicts.best import best_shown
from harness.experiment.claims import is_grid
from harness.experiment.designs import components_of
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.reporting.tables.model import MARK, Cell, Column, DisplayTable
from harness.reporting.tables.sources import Sources

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData

# In points, about, of 8 pt Computer Modern: the text's width in `article`, and what characters and the gap of two columns take.
WIDEST, GAP, NARROW, WIDE, OTHER = 345.0, 8.0, 2.6, 6.7, 4.4
BASELINE = ("baseline",)  # the note of its row


@dataclass(frozen=True)
class Measured:
    """A metric of the table. `heading` has its unit and an arrow to what is better."""

    name: str
    heading: str
    unit: str
    table: Table
    best: str | None  # the variant whose value is bold
    values: Mapping[str, Cell]  # by variant: mean ± sd
    differences: Mapping[str, Cell]  # by variant: with its interval; without any before the first look


def paper_table(report: ReportData) -> DisplayTable:
    """The table with its title; its note is the rest of the caption."""
    plan, shown = report.plan, measured(report)
    crossed = two_way(plan)
    columns = _crossed(plan, shown) if crossed else _by_variant(plan, shown)
    compared = any(column.header.startswith("difference") for column in columns)
    counted = not crossed and any(column.header == "n" for column in columns)
    names = phrases.listed([phrases.label(each.name) for each in shown])
    by = phrases.listed(list(plan.factors)) if crossed else "variant"
    note = phrases.paper_note(
        plan,
        [each.table for each in shown],
        {each.name: each.best for each in shown},
        {report.metrics[each.name].goal for each in shown},
        claimed=bool(report.judgement.verdicts),
        compared=compared,
        counted=counted,
    )
    return DisplayTable(columns, f"{names[:1].upper()}{names[1:]} by {by}", note)


def paper_values(report: ReportData) -> DisplayTable:
    """A row per variant with numbers in separate columns, for spreadsheets: not rounded, empty where not defined."""
    plan, shown = report.plan, measured(report)
    columns = [Column("variant", cells=[Cell(label) for label in plan.variants]), *_settings(plan, ("on", "off"))]
    columns.append(Column("against", cells=[Cell(row.over or "") for row in shown[0].table.rows], optional=True))
    for each in shown:
        rows = each.table.rows
        low, high = ([row.interval[end] if row.interval else math.nan for row in rows] for end in (0, 1))
        numbers: dict[str, Sequence[float]] = {
            "n": [row.cases or row.n for row in rows],
            "mean": [row.mean for row in rows],
            "sd": [row.sd for row in rows],
            "difference": [row.difference for row in rows],
            "low": low,
            "high": high,
        }
        columns += [
            Column(f"{each.name} {name}", "right", cells=list(map(_plain, found)), optional=name not in ("n", "mean"))
            for name, found in numbers.items()
        ]
        bold = [Cell("yes" if row.variant == each.best else "") for row in rows]
        columns.append(Column(f"{each.name} bold", cells=bold, optional=True))
    return DisplayTable(columns, "Values by variant").shown_in("markdown")


def _plain(value: float) -> Cell:
    if not math.isfinite(value):
        return Cell()
    text = f"{value:.10g}"
    return Cell(text, value=int(value) if float(value).is_integer() else float(text))


def two_way(plan: Plan) -> bool:
    """Whether the variants are all combinations of the levels of two factors."""
    return len(plan.factors) == 2 and is_grid(plan.levels)


def measured(report: ReportData) -> list[Measured]:
    """The report's metric, and every other that a claim is about and that has a table."""
    claimed = {verdict.claim.metric for verdict in report.judgement.verdicts}
    names = [name for name in report.tables if name == report.metric or name in claimed]
    return [_measured(report, name) for name in names]


def _measured(report: ReportData, name: str) -> Measured:
    table, metric, plan = report.tables[name], report.metrics[name], report.plan
    bounds = [bound for row in table.rows for bound in row.interval or ()]
    places = phrases.decimals([*(row.mean for row in table.rows), *bounds], metric)
    best = None if plan.rehearsal else best_shown(report.judgement.verdicts, table, metric)
    sources = Sources(plan, report.records)
    values, differences = {}, {}
    for row in table.rows:
        seeds = row.seeds or table.seeds
        own = sources.of(row.variant, seeds)
        values[row.variant] = Cell(phrases.spread(row.mean, row.sd, places), own, bold=row.variant == best)
        if row.over is not None and table.seeds:
            interval = phrases.interval(row.interval, places)
            both = sources.pairs(row.variant, row.over, seeds, paired=not row.runs)
            differences[row.variant] = Cell(f"{phrases.signed(row.difference, places)} {interval}".strip(), both)
    return Measured(name, phrases.better_heading(name, metric), metric.unit, table, best, values, differences)


def _by_variant(plan: Plan, shown: Sequence[Measured]) -> list[Column]:
    """A row per variant. Where the row is too long, without the names of variants that marks identify; then, if there are several
    metrics, without differences.
    """
    rows = shown[0].table.rows
    counts = [{row.variant: row.cases or row.n for row in each.table.rows} for each in shown]
    settings, against = _settings(plan, (MARK, "")), [_notes(row, plan) for row in rows]
    names = [
        Column("variant", holds="labels", cells=[Cell(row.variant, notes=own) for row, own in zip(rows, against, strict=True)])
    ]
    n = []
    if any(count != counts[0] for count in counts) or len(set(counts[0].values())) > 1:
        # Of several metrics the least: what failed for one of them is missing in the other.
        n.append(Column("n", "right", cells=[Cell(f"{min(own[row.variant] for own in counts):,d}") for row in rows]))
    leading = [[*names, *settings, *n], [*settings, *n]]
    if plan.factors:
        leading = leading[1:]
    elif not settings or not set(against) <= {(), BASELINE}:
        leading = leading[:1]
    several = len(shown) > 1
    layouts = []
    for compared in (True, False) if several else (True,):
        numbers = [column for each in shown for column in _columns(each, rows, grouped=several, compared=compared)]
        layouts += [[*before, *numbers] for before in leading]
    return next((layout for layout in layouts if _width(layout) <= WIDEST), layouts[-1])


def _columns(each: Measured, rows: Sequence[Row], *, grouped: bool, compared: bool) -> list[Column]:
    """The columns of a metric."""
    group = each.heading if grouped and each.differences and compared else ""
    values = Column(
        "mean ± sd" if group else each.heading, "right", cells=[each.values[row.variant] for row in rows], group=group
    )
    if not each.differences or not compared:
        return [values]
    cells = [each.differences.get(row.variant, Cell()) for row in rows]
    unit = phrases.difference_unit(each.unit)
    return [values, Column("difference", "right", unit=unit, cells=cells, group=group)]


def _width(columns: Sequence[Column]) -> float:
    """About how many points the table is wide."""
    texts = [[column.title, *(" ".join((cell.text, *cell.notes)) for cell in column.cells)] for column in columns]
    return sum(max(map(_points, own)) + GAP for own in texts) - GAP


def _points(text: str) -> float:
    return sum(NARROW if letter in " .,:;'()[]ijlt" else WIDE if letter in "mwMW%±+-↑↓✓" else OTHER for letter in text)


def _settings(plan: Plan, words: tuple[str, str]) -> list[Column]:
    """Columns of components (`words`: on, off), or of the level of each factor."""
    if on := components_of(list(plan.variants)):
        names = dict.fromkeys(label.partition(" ")[2] for label in plan.variants if label not in ("full", "bare"))
        return [
            Column(name, holds="marks", cells=[Cell(words[0] if name in on[label] else words[1]) for label in plan.variants])
            for name in names
        ]
    switches = ({"true", "false"}, {"on", "off"}, {"yes", "no"})
    columns = []
    for name in plan.factors:
        levels = [plan.levels[label].get(name, "") for label in plan.variants]
        if set(levels) in switches:
            marks = [Cell(words[0] if level in ("true", "on", "yes") else words[1]) for level in levels]
            columns.append(Column(name, holds="marks", cells=marks))
        else:
            numbers = None not in plan.factors[name].values()
            columns.append(Column(name, "right" if numbers else "left", cells=list(map(Cell, levels))))
    return columns


def _crossed(plan: Plan, shown: Sequence[Measured]) -> list[Column]:
    """The levels of the first factor down, those of the second across, once for each metric."""
    first, second = plan.factors
    down, across = (list(dict.fromkeys(own[name] for own in plan.levels.values())) for name in (first, second))
    label = {(own[first], own[second]): name for name, own in plan.levels.items()}
    columns = [Column(first, cells=[Cell(level) for level in down])]
    for each in shown:
        group = f"{each.heading}, by {second}"
        for level in across:
            cells = [each.values[label[row, level]] for row in down]
            columns.append(Column(level, "right", cells=cells, group=group))
    return columns


def _notes(row: Row, plan: Plan) -> tuple[str, ...]:
    if row.variant == plan.baseline and len(plan.variants) > 1:
        return BASELINE
    return (f"against {row.over}",) if row.over and row.over != plan.baseline else ()
