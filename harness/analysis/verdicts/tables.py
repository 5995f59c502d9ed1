"""The table of variants: means, and differences from their references."""

from __future__ import annotations

from math import nan

import numpy as np

from harness.analysis import statistics
from harness.analysis.verdicts.looks import Looks
from harness.analysis.verdicts.model import Row, Table


def tabulate(looks: Looks, metric: str | None = None) -> Table:
    """The table at the current look. Before the first look it has means over all completed runs and no differences.

    A plan extended beyond its last look is compared over all its seeds, at alpha, once they have finished.
    """
    terms, values = looks.terms, looks.values
    metric = metric or next(iter(terms.metrics))
    seeds, level = (looks.current.n, looks.current.level) if looks.current else (0, terms.alpha)
    if seeds == terms.looks[-1] and values.complete == values.seeds > seeds:
        seeds, level = values.seeds, terms.alpha
    return Table(metric, seeds, level, tuple(_row(looks, label, metric, seeds, level) for label in terms.labels))


def _row(looks: Looks, label: str, metric: str, seeds: int, level: float) -> Row:
    values, over = looks.values, looks.terms.over[label]
    own = values.column(label, metric, seeds or values.seeds)
    own = own[~np.isnan(own)]
    mean, sd = (float(own.mean()) if len(own) else nan), (float(own.std(ddof=1)) if len(own) > 1 else nan)
    if not seeds or over == label:
        return Row(label, None, len(own), mean, sd, 0, nan, None, nan, claimed=False, rho=nan)
    sign = values.sign(metric)
    difference = values.difference(label, over, metric)
    one, other = values.sides(difference, seeds)
    both = ~np.isnan(one - other)
    found = statistics.paired(sign * one[both], sign * other[both], None, level=level)
    # P values belong to looks; seeds added beyond the last look have none.
    family = looks.families.differences if looks.families and looks.current and seeds == looks.current.n else {}
    tested = {(each.plus, each.minus, each.metric): p for each, p in family.items()}
    claimed = {(each.plus, each.minus, each.metric) for each in looks.registered}
    key = (difference.plus, difference.minus, metric)
    # No interval if the spread is below the resolution of the metric.
    has_interval = not looks.terms.metrics[metric].exact and found.sd > values.least_spread(metric)
    return Row(
        variant=label,
        over=over,
        n=len(own),
        mean=mean,
        sd=sd,
        pairs=found.n,
        difference=found.mean,
        interval=found.ci if has_interval else None,
        p=tested.get(key, nan),
        claimed=key in claimed,
        rho=found.rho,
    )
