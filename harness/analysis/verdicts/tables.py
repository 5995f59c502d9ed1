"""The table of variants: means, and differences from their references."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np

from harness.analysis.statistics import Unpaired
from harness.analysis.verdicts.comparisons import RULES
from harness.analysis.verdicts.looks import Looks
from harness.analysis.verdicts.model import Estimate, Row, Table
from harness.analysis.verdicts.replicates import over_seeds
from harness.experiment.claims import Claim, ComparisonClaim


def tabulate(looks: Looks, metric: str | None = None) -> Table:
    """The table at the current look. Before the first look it has means over all completed runs and no differences.

    A variant whose claims were decided earlier has fewer seeds: its difference is that of the last look that it reached. A plan
    extended beyond its last look is compared over all its seeds, at alpha, once they have finished.
    """
    terms, values = looks.terms, looks.values
    metric = metric or next(iter(terms.metrics))
    seeds, level = (looks.current.n, looks.current.level) if looks.current else (0, terms.alpha)
    if seeds == terms.looks[-1] and values.complete_for(terms.labels) == values.seeds > seeds:
        seeds, level = values.seeds, terms.alpha
    rows = tuple(_row(looks, label, metric, seeds, level) for label in terms.labels)
    if any(row.over is not None and not row.cases for row in rows):
        rows = tuple(replace(row, cases=0) if row.over is None else row for row in rows)  # references of both kinds count seeds
    return Table(metric, seeds, level, rows)


def _row(looks: Looks, label: str, metric: str, current: int, level: float) -> Row:
    values, over, seeds = looks.values, looks.terms.over[label], current
    if looks.current and current == looks.current.n:
        reached = values.complete_for((label, over))
        seeds = max((look for look in looks.terms.looks if look <= min(reached, current)), default=current)
        level = looks.series.level(seeds, looks.terms.alpha)
    own = values.column(label, metric, seeds or values.seeds)
    own = own[~np.isnan(own)]
    mean, sd = (float(own.mean()) if len(own) else nan), (float(own.std(ddof=1)) if len(own) > 1 else nan)
    if not seeds or over == label:
        cases = looks.cases_of(label, metric)
        return Row(
            label, None, len(own), mean, sd, 0, nan, None, nan, claimed=False, rho=nan, level=level, cases=cases, seeds=seeds
        )
    sign = values.sign(metric)
    difference = values.difference(label, over, metric)
    found = over_seeds(values).compare(difference, seeds, None, level, sign)
    claimed = {(each.plus, each.minus, each.metric) for each in looks.registered}
    key = (difference.plus, difference.minus, metric)
    # No interval if the seed has no effect on the values.
    varied = found.sd > 0 or values.varies(difference.variants, metric, seeds)
    has_interval = not looks.terms.metrics[metric].exact and varied and found.n > 1
    # P values belong to looks; seeds added beyond the last look have none.
    at_look = looks.current is not None and current == looks.current.n
    judged = looks.claimed_row(*key) if at_look else None
    tested = judged[1] if judged else None
    # The p value of a verdict that was decided earlier says nothing about a difference of the other sign.
    agrees = judged is not None and not judged[1].mean * sign * found.mean < 0
    p, bound = _p_value(*judged) if judged and agrees else (nan, False)
    interval = found.ci if has_interval else None
    over_cases = tested is not None and tested.cases is not None
    if tested is not None and over_cases and tested.interval is not None:
        interval = tested.interval if sign > 0 else (-tested.interval[1], -tested.interval[0])
    return Row(
        variant=label,
        over=over,
        n=len(own),
        mean=mean,
        sd=sd,
        pairs=found.n,
        difference=found.mean,
        interval=interval,
        p=p,
        claimed=key in claimed,
        rho=found.rho,
        level=level,
        cases=tested.n if tested is not None and over_cases else 0,
        seeds=seeds,
        runs=found.runs if isinstance(found, Unpaired) else (),
        absent=values.absent(difference.variants, seeds),
        bound=bound,
    )


def _p_value(claim: Claim, tested: Estimate) -> tuple[float, bool]:
    """The p value beside a difference, and whether it is that of a bound."""
    bound = isinstance(claim, ComparisonClaim) and RULES[claim.kind][0] == "bound" and tested.verdict != "refuted"
    return (tested.p_equivalence if bound else tested.p_adjusted), bound
