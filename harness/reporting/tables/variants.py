"""Tables of a plan's variants and of their spread; each number carries its run ids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from harness.analysis.verdicts import Row, Table
from harness.existing.plan import ExistingPlan
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting import phrases
from harness.reporting.tables.model import REPORTS, Cell, Column, DisplayTable, Link
from harness.reporting.tables.sources import Sources
from harness.store.records import Record
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData


def variant_tables(report: ReportData) -> list[DisplayTable]:
    """One table per compared metric; the first also has costs and runs."""
    tuning, first = report.tuning, report.metric
    settings = {label: tuning.words(label) for label in report.plan.variants} if tuning else {}
    requested = {first: report.requested}
    return [
        variant_table(
            report.plan, report.records, table, report.metrics[name], settings=settings, requested=requested.get(name, ())
        )
        for name, table in report.tables.items()
    ]


def exploratory_tables(report: ReportData) -> list[DisplayTable]:
    """One table per declared metric that is not claimed."""
    return [
        variant_table(report.plan, report.records, table, report.metrics[name], exploratory=True)
        for name, table in report.exploratory.items()
    ]


def variant_table(
    plan: Plan,
    records: Mapping[str, Record],
    table: Table,
    metric: Metric,
    *,
    settings: Mapping[str, str] | None = None,
    requested: Sequence[PlannedRun] = (),
    exploratory: bool = False,
) -> DisplayTable:
    """A row per variant: n, mean ± sd, and from the first look on the difference with its interval and p.

    `settings`: what each variant was tuned to. `requested` runs add parameters, time and failures. `exploratory`: of a metric
    that is not claimed, so that no row has a p; without the ids of runs.
    """
    # Of many exploratory metrics the ids would be most of a page.
    rows, sources, variants = table.rows, Sources(plan, {} if exploratory else records), list(plan.variants)
    bounds = [bound for row in rows for bound in row.interval or ()]
    places = phrases.decimals([*(row.mean for row in rows), *bounds], metric)
    own = {row.variant: sources.of(row.variant, row.seeds or table.seeds) for row in rows}
    means = [Cell(phrases.spread(row.mean, row.sd, places), own[row.variant], finite(row.mean)) for row in rows]
    tuned = [Cell((settings or {}).get(row.variant, "")) for row in rows]
    columns = [
        Column("variant", holds="labels", cells=[Cell(row.variant, notes=_notes(row, plan, table)) for row in rows]),
        Column("tuned to", cells=tuned, optional=True, formats=REPORTS),
        Column("n", "right", cells=[Cell(f"{row.cases or row.n:,d}", own[row.variant], row.cases or row.n) for row in rows]),
        Column(phrases.label(table.metric), "right", unit=metric.unit, cells=means),
    ]
    if table.seeds and any(row.over is not None for row in rows):
        differences, intervals, p_values = [], [], []
        for row in rows:
            both = _behind(sources, row, table)
            differences.append(Cell(phrases.signed(row.difference, places), both, finite(row.difference)))
            intervals.append(Cell(phrases.interval(row.interval, places), both, finite(row.difference)))
            unclaimed = row.over is not None and not row.claimed
            p_values.append(Cell(notes=("exploratory",)) if unclaimed else Cell(phrases.p_value(row.p), both, finite(row.p)))
        if {row.over for row in rows} - {None} != {plan.baseline}:
            columns.append(Column("against", holds="labels", cells=[Cell(row.over or "") for row in rows]))
        columns += [
            Column("difference", "right", unit=phrases.difference_unit(metric.unit), cells=differences),
            Column(phrases.confidence(table.level), "right", holds="intervals", cells=intervals),
            *([] if exploratory else [Column("p", "right", cells=p_values, optional=True)]),
        ]
    columns += _costs(table, records, own, requested) if requested else []
    targets = [(f"#runs-{variants.index(row.variant)}", f"runs of {row.variant}") for row in rows]
    listed = [Cell(links=(Link("list", target, about=about),)) for target, about in targets]
    columns.append(Column("runs", cells=listed, formats=("html",)))
    if requested:
        stored = not isinstance(plan, ExistingPlan)
        runs = [Cell(links=run_links([run for run in requested if run.variant == row.variant], stored=stored)) for row in rows]
        columns.append(Column("runs by seed", cells=runs, formats=("markdown",)))
    title = f"{phrases.label(table.metric).capitalize()} by variant{', exploratory' if exploratory else ''}"
    return DisplayTable(columns, title, phrases.table_note(plan, table, metric.unit))


def _behind(sources: Sources, row: Row, table: Table) -> tuple[str, ...]:
    """The runs that a row's difference comes from."""
    return sources.pairs(row.variant, row.over, row.seeds or table.seeds, paired=not row.runs) if row.over else ()


def _notes(row: Row, plan: Plan, table: Table) -> tuple[str, ...]:
    if row.variant == plan.baseline and len(plan.variants) > 1:
        return ("baseline",)
    return tuple(filter(None, (phrases.earlier_look(row, table),)))


def _costs(
    table: Table, records: Mapping[str, Record], own: Mapping[str, tuple[str, ...]], requested: Sequence[PlannedRun]
) -> list[Column]:
    """Parameters, mean time of a run, failed or diverged runs."""
    parameters, times, lost = [], [], []
    for row in table.rows:
        counts = {records[run_id].metrics.get("parameters") for run_id in own[row.variant]} - {None}
        count = counts.pop() if len(counts) == 1 and table.metric != "parameters" else None
        parameters.append(Cell("" if count is None else phrases.count(count), own[row.variant], count))
        seconds = [taken for run_id in own[row.variant] if (taken := records[run_id].seconds) is not None]
        mean = fmean(seconds) if seconds else None
        times.append(Cell("" if mean is None else phrases.clock(mean), own[row.variant], mean))
        ids = tuple(run.id for run in requested if run.variant == row.variant and records[run.id].state in ("failed", "diverged"))
        lost.append(Cell(f"{len(ids):,d}" if ids else "", ids, len(ids)))
    named = {"parameters": parameters, "mean time": times, "failed or diverged": lost}
    return [Column(name, "right", cells=cells, optional=True, formats=REPORTS) for name, cells in named.items()]


def trust_table(report: ReportData) -> DisplayTable | None:
    """Standard deviation, seed correlation and intervals by variant; None before any spread is known."""
    table, metric, sources = report.table, report.metrics[report.metric], Sources(report.plan, report.records)
    if all(math.isnan(row.sd) for row in table.rows):
        return None
    bounds = [bound for row in table.rows for bound in row.interval or ()]
    places = phrases.decimals([*(row.mean for row in table.rows), *bounds], metric)
    spread, over, correlation, seeds, images = [], [], [], [], []
    for row in table.rows:
        both = _behind(sources, row, table)
        crossed = report.images.get((row.variant, row.over)) if row.over else None
        spread.append(Cell(phrases.number(row.sd, places), sources.of(row.variant, row.seeds or table.seeds)))
        over.append(Cell(row.over or ""))
        correlation.append(Cell("" if math.isnan(row.rho) else f"{row.rho:z.2f}", both))
        seeds.append(Cell("" if row.cases else phrases.interval(row.interval, places), both))
        images.append(Cell("" if crossed is None else phrases.interval(crossed.ci95, places), both))

    def marks(row: Row) -> tuple[str, ...]:
        return tuple(filter(None, [phrases.earlier_look(row, table)]))

    unit, level = phrases.difference_unit(metric.unit), phrases.confidence(table.level)
    columns = [
        Column("variant", cells=[Cell(row.variant, notes=marks(row)) for row in table.rows]),
        Column(f"sd over {'runs' if any(row.runs for row in table.rows) else 'seeds'}", "right", unit=unit, cells=spread),
        Column("against", cells=over, optional=True, formats=REPORTS),
        Column("seed correlation", "right", cells=correlation, optional=True),
        Column(
            f"new {'runs' if any(row.runs for row in table.rows) else 'seeds'}, {level}",
            "right",
            holds="intervals",
            cells=seeds,
            optional=True,
        ),
        Column("new seeds and images, 95 % interval", "right", holds="intervals", cells=images, optional=True),
    ]
    return DisplayTable(columns, "Spread and scope")


def run_links(runs: Sequence[PlannedRun], *, stored: bool = True) -> tuple[Link, ...]:
    """Links to the runs' folders, by seed; runs that are not `stored` have none."""
    return tuple(Link(run.id, f"../../runs/{run.id}/" if stored else "", seed=run.seed, code=True) for run in runs)


def finite(value: float) -> float | None:
    """The value as a sort key; None if not finite."""
    return value if math.isfinite(value) else None
