"""What the comparison page knows of a plan: how it was trained, the means of its variants, and its mean learning curves.

JSON values. The curves come from the curves.json of its report; of all plans together only as many points are kept as a page can
hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.analysis.verdicts import Row
from harness.reporting import phrases
from harness.reporting.pages.curve_data import described
from harness.reporting.pages.curves_file import CurveLine, Curves

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.reporting.pages.report_data import ReportData

LEVEL = 0.05  # of the intervals of means
DIGITS = 6  # significant ones
MOST_VALUES = 1_000_000  # of all curves of a page together: about 4 MB
FEWEST_POINTS, MOST_POINTS = 6, 200  # of a curve


def compared(report: ReportData) -> dict[str, Any]:
    """A plan without its curves: what differs between plans, and for each variant n, mean and 95 % interval of each metric.

    The metrics are those with a table in the report. Numbers that are not known are null.
    """
    plan = report.plan
    means = {name: {row.variant: _mean(row) for row in table.rows} for name, table in report.tables.items()}
    lost = {run.variant: 0 for run in plan.runs}
    for run in report.requested:
        lost[run.variant] += report.records[run.id].state in ("failed", "diverged")
    return {
        "name": plan.name,
        "question": plan.question,
        "rehearsal": plan.rehearsal,
        "complete": report.complete,
        "date": report.last[:10] if report.last else None,
        "task": f"{phrases.trained(plan)} {'' if plan.program else plan.task_version}".rstrip(),
        "data": _of_all(fingerprint.partition(":")[0] for fingerprint in plan.data.values()),
        "epochs": _of_all(str(length) for config in plan.variants.values() if (length := phrases.epochs(config)) is not None),
        "seeds": _seeds(plan),
        "device": ", ".join(report.cost.by_device) or None,
        "metrics": {
            name: {**_metric(described(name, report.metrics[name], claimed=True)), "exact": report.metrics[name].exact}
            for name in report.tables
        },
        "variants": [
            {"name": label, "lost": lost[label], "means": {name: own[label] for name, own in means.items()}}
            for label in plan.variants
        ],
    }


def _metric(text: Mapping[str, Any]) -> dict[str, Any]:
    return {key: text[key] for key in ("label", "unit", "better")}


def _of_all(words: Iterable[str]) -> str | None:
    """The words, each once; None without any."""
    return ", ".join(sorted(set(words))) or None


def _seeds(plan: Plan) -> str:
    """`5, from 0`."""
    seeds = list(dict.fromkeys(run.seed for run in plan.runs))
    return f"{len(seeds)}, from {seeds[0]}" if seeds else "0"


def _mean(row: Row) -> list[float | int | None]:
    """[n, mean, sd, low, high]: the interval is that of the t distribution over seeds."""
    from scipy.special import stdtrit

    half = math.nan
    if row.n > 1 and math.isfinite(row.sd):
        half = float(stdtrit(row.n - 1, 1 - LEVEL / 2)) * row.sd / math.sqrt(row.n)
    return [row.n, *map(_rounded, (row.mean, row.sd, row.mean - half, row.mean + half))]


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def thinned(curves: Sequence[Curves | None]) -> tuple[list[dict[str, Any] | None], int]:
    """(each plan's curves, the most points of a line): of longer lines evenly spaced ones, and the last one.

    Lines name their variants: since the file was written, the plan may have got others.
    """
    columns = sum(len(line.y) * 3 + 2 for each in curves if each for line in each.lines)
    points = max(min(MOST_VALUES // max(columns, 1), MOST_POINTS), FEWEST_POINTS)
    return [_shown(each, points) if each else None for each in curves], points


def _shown(curves: Curves, points: int) -> dict[str, Any]:
    metrics = {name: metric.model_dump() for name, metric in curves.metrics.items()}
    return {"metrics": metrics, "lines": [_line(line, curves.variants[line.variant], points) for line in curves.lines]}


def _line(line: CurveLine, variant: str, points: int) -> dict[str, Any]:
    last = len(line.x) - 1
    step = max(last / (points - 1), 1)
    kept = list(dict.fromkeys([*(round(place * step) for place in range(points) if place * step <= last), last]))

    def some(column: Sequence[Any]) -> list[Any]:
        return [column[place] for place in kept]

    y = {name: {kind: some(column) for kind, column in own.items()} for name, own in line.y.items()}
    return {"variant": variant, "x": some(line.x), "n": some(line.n), "y": y}
