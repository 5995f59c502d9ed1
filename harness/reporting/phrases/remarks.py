"""What the seeds of a claim say beside its verdict: later seeds, single seeds, failures, effect sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from harness.analysis.verdicts import model
from harness.analysis.verdicts.document import later_as_measured
from harness.analysis.verdicts.model import Estimate, Verdict
from harness.reporting.phrases.estimates import EstimateText
from harness.reporting.phrases.numbers import listed, plural, signed
from harness.tasks.protocol import Metric, optimistic

CONTRADICTED = "CONTRADICTED BY LATER SEEDS"


def later_seeds(verdict: Verdict, metrics: Mapping[str, Metric]) -> str:
    """All seeds of a decided claim and their e-value; empty without seeds beyond the deciding look.

    `all 20 seeds: -1.05 [-1.80, -0.30]; e-value 300 for the opposite (evidence from 60 on)`.
    """
    if verdict.later is None or len(verdict.rows) != 1:
        return ""
    later = later_as_measured(verdict.later, verdict.claim, metrics)
    row = replace(verdict.rows[0], n=later.n, mean=verdict.later.mean, interval=verdict.later.interval)
    shown = EstimateText(row, verdict.claim, metrics)
    side = "for the verdict" if later.favours == "verdict" else "for the opposite"
    needed = f"evidence from {later.e_needed:,.0f} on"
    wording = f"all {later.n:,d} seeds: {shown.plain()}; e-value {later.e_value:,.3g} {side} ({needed})"
    apart = later.contradicts and later.favours == "verdict"
    return f"{wording}; the interval does not overlap that of the verdict" if apart else wording


def contradiction(verdict: Verdict, metrics: Mapping[str, Metric]) -> str:
    """`CONTRADICTED BY LATER SEEDS: all 20 seeds: …`; empty unless later seeds say the opposite of the verdict."""
    return f"{CONTRADICTED}: {later_seeds(verdict, metrics)}" if verdict.contradicted else ""


def word(verdict: Verdict) -> str:
    """The verdict with marks for later seeds that contradict it and for an optimistic metric: `supported, OPTIMISTIC`."""
    marks = [CONTRADICTED] if verdict.contradicted else []
    marks += ["OPTIMISTIC"] if verdict.optimistic else []
    return ", ".join([verdict.verdict, *marks])


def optimistic_results(metrics: Mapping[str, Metric]) -> list[str]:
    """Metrics whose results are too good: `test_accuracy is the best of all test values of a run`."""
    return [f"{name} is {why}" for name in metrics if (why := optimistic(name, metrics))]


def failure_limit(verdict: Verdict) -> str:
    """`no failure in 5 seeds: a failure rate up to 45 % is not excluded`; empty if not supported, or if a run was lost."""
    if verdict.failure_limit is None:
        return ""
    n = verdict.decided_at or max(row.n for row in verdict.rows)
    return f"no failure in {plural(n, 'seed')}: a failure rate up to {100 * verdict.failure_limit:.0f} % is not excluded"


def seed_remarks(verdict: Verdict) -> tuple[str, ...]:
    """Single seeds that stand apart, and differences that drift: `seed 3 (b) stands apart: without it, supported`."""
    notes = (note for row in verdict.rows for note in row.notes)
    found = [note.replace("without it ", "without it, ") for note in notes if model.APART in note]
    drifting = [row.subject for row in verdict.rows if model.DRIFTS in row.notes]
    return (*found, *([f"{model.DRIFTS} ({listed(drifting)})"] if drifting else []))


def effect_size(row: Estimate) -> str:
    """`+1.90 [+0.31, +3.41]`: g_z with its 95 % interval; positive is better. Empty without one."""
    if row.effect is None or math.isnan(row.effect.g_z):
        return ""
    bounds = row.effect.g_z_ci
    places = 2 if max(map(abs, bounds)) < 10 else 1
    low, high = (signed(bound, places) for bound in bounds)
    return f"{signed(row.effect.g_z, places)} [{low}, {high}]"


def improvement(row: Estimate) -> str:
    """`97 % [62, 100]`: the probability that a new seed is better, with its 95 % interval. Empty without one."""
    if row.effect is None or math.isnan(row.effect.improvement):
        return ""
    low, high = map(_percent, row.effect.improvement_ci)
    return f"{_percent(row.effect.improvement)} % [{low}, {high}]"


def _percent(probability: float) -> str:
    """`97`; `>99` and `<1` rather than `100` and `0`."""
    if probability >= 0.995:
        return ">99"
    return "<1" if probability < 0.005 else f"{100 * probability:.0f}"
