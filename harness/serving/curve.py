"""The rows of a run -> the data of the chart component of the pages: one line, every number that was recorded. Pure."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.reporting.figures.style import LineStyle
from harness.reporting.pages.curve_data import described, look_of
from harness.serving.members import Member
from harness.store.records import Record
from harness.tasks.protocol import Metric

MOST_POINTS = 2000
NO_METRICS = ("epoch", "seconds")


def curve(
    record: Record,
    rows: Sequence[Mapping[str, float | None]],
    known: Mapping[str, Metric],
    member: Member | None,
    *,
    style: LineStyle,
    claimed: Collection[str],
) -> dict[str, Any]:
    """`rows`: finite numbers or None; `known`: the metrics that the task declares, shown first.

    Metrics that are not `claimed`, by which the run neither is chosen nor supports a claim, are exploratory.
    """
    names = dict.fromkeys(name for row in rows for name in row if name not in NO_METRICS)
    ordered = [*(name for name in known if name in names), *(name for name in names if name not in known)]
    step = max(1, math.ceil(len(rows) / MOST_POINTS))
    points = [row for place, row in enumerate(rows, 1) if place % step == 0 or place == len(rows)]
    line = {
        "variant": 0,
        "seed": member.seed if member else None,
        "run": record.id,
        "state": record.state,
        "x": [row.get("epoch") for row in points],
        "y": {name: [row.get(name) for row in points] for name in ordered},
    }
    return {
        "x": "epoch",
        "metrics": {name: described(name, known.get(name), claimed=name in claimed) for name in ordered},
        "variants": [{**look_of(style), "name": member.variant if member else "", "dashes": None}],
        "lines": [line] if points else [],
        "means": [],
        "aggregated": False,
        "note": f"every {step} epochs and the last one" if step > 1 else None,
    }


def finite(value: Any) -> float | None:
    """The value if it is a finite number; whole ones beyond the range of floating point are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max else None
