"""The verdicts of a plan and its table of variants -> the variant that claims show to be better than every other. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import isfinite

from harness.analysis.verdicts.model import Estimate, Table, Verdict
from harness.experiment.claims import ComparisonClaim
from harness.tasks.protocol import Metric


def best_shown(verdicts: Iterable[Verdict], table: Table, metric: Metric) -> str | None:
    """The variant with the best mean, if comparisons show it to be better than each of the others; else None.

    What counts are the decided comparisons of `better`, and what follows from several of them: a is better than c if it is better
    than b, and b than c. As the verdicts of a plan are corrected together, the probability that some such conclusion is false is
    at most the plan's alpha. Differences that nobody claimed never count.
    """
    means = {row.variant: row.mean for row in table.rows}
    if len(means) < 2 or not all(map(isfinite, means.values())):
        return None
    sign = 1 if metric.goal == "maximize" else -1
    best = max(means, key=lambda label: sign * means[label])
    if list(means.values()).count(means[best]) > 1:
        return None
    below = better(verdicts, table.metric, means)
    found, waiting = {best}, [best]
    while waiting:
        fresh = below.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return best if found == means.keys() else None


def better(verdicts: Iterable[Verdict], metric: str, labels: Collection[str]) -> dict[str, set[str]]:
    """Variant -> the variants that a claim about `metric` shows it to be better than.

    A claim counts if it was registered before its results were known, if later seeds do not contradict it, and if its metric is
    not the best of several values of a run.
    """
    found: dict[str, set[str]] = {}
    for verdict in verdicts:
        claim = verdict.claim
        if not isinstance(claim, ComparisonClaim) or claim.metric != metric:
            continue
        if not verdict.registered or verdict.contradicted or verdict.optimistic:
            continue
        for row in verdict.rows:
            if row.over is not None and {row.subject, row.over} <= set(labels) and _different(claim, row):
                winner, loser = (row.subject, row.over) if row.mean > 0 else (row.over, row.subject)
                found.setdefault(winner, set()).add(loser)
    return found


# Kind of claim -> the verdicts on a row that say which of its two variants is better.
DECIDES: Mapping[str, tuple[str, ...]] = {"improves": ("supported", "refuted"), "worsens": ("supported", "refuted")}


def _different(claim: ComparisonClaim, row: Estimate) -> bool:
    """Whether the verdict on a row is that its variants differ; that they differ by less than the margin does not count."""
    return row.mean != 0 and row.verdict in DECIDES.get(claim.kind, ("refuted",))
