"""A report -> its differences by seed with their means and intervals, as plain rows for other tools."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData


def differences(report: ReportData) -> dict[str, Any]:
    """`rows`, and the texts `title` and `axis`; JSON values. A row for each variant and seed, in the order of the table.

    A row has variant, baseline, seed, the difference variant minus baseline in the unit of the metric as measured, then the mean
    difference and both ends of its interval, as in the report's table; None: not defined. Without differences: no rows. Of
    unpaired runs, whose seeds have nothing in common, there is one row a variant, without seed and difference.
    """
    table, unit = report.table, phrases.difference_unit(report.metrics[report.metric].unit)
    values = report.looks.values
    rows: list[tuple[Any, ...]] = []
    for row in table.rows:
        if row.over is None or math.isnan(row.difference):
            continue
        summary = (row.difference, *(row.interval or (None, None)))
        if row.runs:
            rows.append((row.variant, row.over, None, None, *summary))
            continue
        seeds = row.seeds or table.seeds
        found = values.column(row.variant, table.metric, seeds) - values.column(row.over, table.metric, seeds)
        both = ((seed, float(each)) for seed, each in zip(values.order, found, strict=False) if not math.isnan(each))
        rows += [(row.variant, row.over, seed, each, *summary) for seed, each in both]
    name = phrases.label(table.metric)
    return {
        "rows": rows,
        "title": f"{report.plan.name}: difference in {name}, {phrases.confidence(table.level)}",
        "axis": f"difference in {name}{f' [{unit}]' if unit else ''}",
    }
