"""Verdicts -> JSON values for verdicts.json and `--json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from harness.analysis.verdicts.model import Estimate, Interval, Judgement, Later, Verdict
from harness.experiment.claims import Claim, DeclineClaim, ThresholdClaim, as_dict
from harness.tasks.protocol import Metric

NUMBERS = ("n", "mean", "sd", "interval", "level", "p", "p_adjusted", "p_equivalence", "p_contrary", "rho", "seeds_needed")


def judged(judgement: Judgement, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The state of the looks, the failed runs that block the next one, and one object per claim under `verdicts`."""
    return {
        "look": judgement.look,
        "finished": judgement.finished,
        "holding": [{"variant": variant, "seed": seed} for variant, seed in judgement.holding],
        "verdicts": [document(verdict, metrics) for verdict in judgement.verdicts],
    }


def document(verdict: Verdict, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The verdict as JSON values; undefined numbers are null.

    Differences are as measured: variant minus reference, best inside a range minus best outside, slope up to a dose minus slope
    beyond; a decline is the speed of getting worse; the numbers of all seeds in `later` likewise. Effect sizes and probabilities
    of improvement in `effect` are oriented: positive is better, whatever the metric's goal. A claim about several variants has
    its numbers in `rows`, one object per variant; other claims have no `rows`.
    """
    claim = verdict.claim
    several = len(verdict.rows) > 1
    found = {
        "claim": as_dict(claim),
        "kind": claim.kind,
        "metric": claim.metric,
        "registered": verdict.registered,
        **registration(verdict),
        "verdict": verdict.verdict,
        "notes": list(verdict.notes),
        **(
            numbers(as_measured(verdict.rows[0], claim, metrics))
            if len(verdict.rows) == 1
            else dict.fromkeys([*NUMBERS, "effect"])
        ),
        "decided_at": verdict.decided_at,
        "open": verdict.open,
        "optima": list(verdict.optima),
        "contradicted": verdict.contradicted,
        "later": None if verdict.later is None else _later(later_as_measured(verdict.later, claim, metrics)),
        "failure_limit": plain(verdict.failure_limit),
        "run_ids": list(verdict.run_ids),
    }
    if several:
        found["rows"] = [
            {
                "subject": row.subject,
                "over": row.over,
                "verdict": row.verdict,
                "notes": list(row.notes),
                **numbers(as_measured(row, claim, metrics)),
            }
            for row in verdict.rows
        ]
    return found


def registration(verdict: Verdict) -> dict[str, Any]:
    """Whether the claim was written before its results were known, and how many were; null: unknown.

    `loop`: all known results are of the version that a loop of comparisons compares with, so that it is not retrospective.
    """
    found = verdict.registration
    return {
        "registration": found.when if found else None,
        "results_known": found.results_known if found else None,
        "results_used": found.results_used if found else None,
        "at": (found.at or None) if found else None,
        **({"loop": found.loop} if found and found.loop is not None else {}),
    }


def numbers(row: Estimate) -> dict[str, Any]:
    """The numbers of an estimate as JSON values; of a claim across cases with `cases`, which counts them and their outcomes.

    `runs` only of an unpaired comparison, `absent` only if seeds are left out as not all variants have them.
    """
    if row.cases is not None:
        counted = {**asdict(row.cases), "needed": plain(row.seeds_needed)}
        return {**numbers(replace(row, cases=None, seeds_needed=None)), "cases": counted}
    effect = None if row.effect is None else {name: plain(value) for name, value in asdict(row.effect).items()}
    seeds = {"runs": plain(row.runs)} if row.runs else {}
    seeds |= {"absent": row.absent} if row.absent else {}
    return {**{name: plain(getattr(row, name)) for name in NUMBERS}, "effect": effect, **seeds}


def as_measured(row: Estimate, claim: Claim, metrics: Mapping[str, Metric]) -> Estimate:
    """The estimate with its difference not oriented: one side minus the other.

    Thresholds were never oriented, and a decline is the speed of getting worse.
    """
    if not is_oriented(claim, metrics):
        return row
    return replace(row, mean=-row.mean, interval=None if row.interval is None else _turned(row.interval))


def later_as_measured(later: Later, claim: Claim, metrics: Mapping[str, Metric]) -> Later:
    """All seeds of a claim, likewise not oriented."""
    if not is_oriented(claim, metrics):
        return later
    return replace(later, mean=-later.mean, interval=_turned(later.interval))


def is_oriented(claim: Claim, metrics: Mapping[str, Metric]) -> bool:
    """Whether the sign of the claim's estimate is the opposite of the measured one."""
    return not isinstance(claim, DeclineClaim | ThresholdClaim) and metrics[claim.metric].goal == "minimize"


def _turned(interval: Interval) -> Interval:
    return -interval[1], -interval[0]


def _later(later: Later) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(later).items()}


def plain(value: Any) -> Any:
    """The JSON value: None for a non-finite number, a list for a tuple."""
    if isinstance(value, tuple):
        return list(map(plain, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value
