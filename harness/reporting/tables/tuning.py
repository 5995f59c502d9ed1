"""Table of the settings that a plan's variants were tuned over."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import stdev
from typing import TYPE_CHECKING

from harness.experiment.claims import level_label
from harness.reporting import phrases
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.reporting.tables.variants import run_links

if TYPE_CHECKING:
    from harness.reporting.pages.tuning import Tuning

EDGE = "best at the edge of its range: a wider range may do better"

# Simulated, see docs/experiments.md: how often identical methods are found different, by number of tuning seeds.
AS_TUNED = (
    "Verdicts are about the variants as tuned: identical methods, each tuned on 1, 2 or 5 seeds, were found different in 14, 10"
    " and 7 % of simulated comparisons on 5 seeds, in 33, 24 and 14 % on 20, and more often if the values of a seed correlate"
)


def tuning_table(tuning: Tuning, *, chosen: bool = False) -> DisplayTable:
    """A row per setting and variant in declared order; or only the `chosen` setting of each variant."""
    groups = {variant: (label,) for variant, label in tuning.chosen.items()} if chosen else tuning.selection.groups
    edges = {choice.label: choice.at_edge for choice in tuning.found}
    variants, settings, values, remarks, runs = [], [], [], [], []
    for variant, group in groups.items():
        for place, label in enumerate(group):
            tried, own = tuning.tried(label), tuning.selection.settings[label].values()
            sd = stdev(tried.values) if len(tried.values) > 1 else math.nan
            text = phrases.spread(tried.mean, sd, tuning.curves.places) if tried.values else ""
            wording = ["chosen"] if label == tuning.chosen.get(variant) and not chosen else []
            if edge := edges.get(label, ()):
                where = f"{', '.join(tuning.short[path] for path in edge)}: " if len(tuning.short) > 1 else ""
                wording.append(f"{where}{EDGE}")
            variants.append(Cell(variant if place == 0 else ""))
            settings.append([Cell(level_label(value)) for value in own])
            values.append(Cell(text, tried.runs, tried.mean if tried.values else None))
            remarks.append(Cell("; ".join(wording)))
            runs.append(Cell(links=run_links(tuning.runs(label))))
    names = [
        Column(name, "right", cells=cells) for name, cells in zip(tuning.short.values(), zip(*settings, strict=True), strict=True)
    ]
    unit, metric = tuning.metric.unit, phrases.label(tuning.selection.metric)
    columns = [
        Column("variant", cells=variants),
        *names,
        Column(metric, "right", unit=unit, cells=values),
        *([Column("choice without one seed", cells=_left_out(tuning, groups))] if chosen else []),
        Column("flag" if chosen else "chosen", cells=remarks),
        Column("runs by seed", holds="remarks", cells=runs),
    ]
    note = AS_TUNED if chosen else f"± is sd over {tuning.seeds}, which the comparison does not use"
    return DisplayTable(columns, "Chosen settings" if chosen else "Every setting", note)


def _left_out(tuning: Tuning, variants: Iterable[str]) -> list[Cell]:
    """For each variant, how often another setting would be chosen if one tuning seed were left out."""
    found = []
    for variant in variants:
        other = tuning.unstable(variant)
        text = f"another in {other} of {tuning.seed_count}" if other is not None else "unknown with 1 tuning seed"
        found.append(Cell(text))
    return found
