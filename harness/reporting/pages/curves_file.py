"""curves.json: the mean learning curves of a plan's variants, for other programs and for comparisons across plans."""

from __future__ import annotations

from typing import Any

from harness.reporting.pages.curve_data import X, described, mean_lines, recorded, thinned, values
from harness.reporting.pages.report_data import ReportData

SCHEMA = 1
MOST_POINTS = 200  # of a line
MOST_VALUES = 600_000  # of all lines together; at least the first and the last epoch are there


def curves_document(report: ReportData) -> dict[str, Any]:
    """JSON values: the mean, lowest and highest value and the number of runs by variant, epoch and declared metric.

    Of the runs that neither failed nor diverged, up to the epoch that all of them have reached. Raises StoreError.
    """
    variants, epochs = list(report.plan.variants), report.epochs
    names = [name for name in recorded(epochs, report.metrics) if name in report.metrics]
    points = MOST_VALUES // max(3 * len(names) * epochs["variant"].nunique(), 1)
    kept, _ = thinned(epochs, max(min(points, MOST_POINTS - 1), 2))
    places = {variant: place for place, variant in enumerate(variants)}
    lines = [
        {
            "variant": places[line.variant],
            "x": line.x,
            "n": [line.n] * len(line.x),
            "y": {name: {kind: values(of) for kind, of in kinds.items()} for name, kinds in line.y.items()},
        }
        for line in mean_lines(kept, names)
        if line.x
    ]
    described_metrics = {name: described(name, report.metrics[name], claimed=True) for name in names}
    return {
        "schema": SCHEMA,
        "plan": report.plan.name,
        "question": report.plan.question,
        "metrics": {name: {key: text[key] for key in ("label", "unit", "better")} for name, text in described_metrics.items()},
        "variants": variants,
        "x": X,
        "lines": lines,
    }
