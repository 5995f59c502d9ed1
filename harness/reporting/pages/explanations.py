"""Explains a verdict: the rule and the numbers it was applied to, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.analysis.verdicts import model
from harness.analysis.verdicts.model import Estimate, Verdict
from harness.experiment.claims import ComparisonClaim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.tasks.protocol import Metric


def reasons(verdict: Verdict, plan: Plan, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """The rule, its p values, the look; then the verdict's notes."""
    if not verdict.rows:
        first = f"The first look is at {phrases.plural(min(plan.looks), 'seed')} of every variant; before it nothing is compared."
        return (first, *phrases.notes(verdict, metrics))
    metric = metrics[verdict.claim.metric]
    wording = [rule(verdict, plan, metric)]
    if len(verdict.rows) == 1:
        wording += [over_cases(verdict.rows[0]), unpaired(verdict.rows[0]), phrases.left_out(verdict.rows[0])]
        wording += [*p_values(verdict.rows[0], verdict, plan, metric)]
    wording += [decided_look(verdict, plan), later_seeds(verdict, metrics)]
    return (*filter(None, wording), *phrases.notes(verdict, metrics))


def rule(verdict: Verdict, plan: Plan, metric: Metric) -> str:
    """When a claim of this kind is supported and when refuted."""
    claim, alpha = verdict.claim, f"{plan.alpha:g}"
    margin = f"{getattr(claim, 'margin', 0.0):g} {phrases.difference_unit(metric.unit)}".rstrip()
    if metric.exact:
        return (
            f"The values of {phrases.label(claim.metric)} do not vary with the seed: they are compared directly, without a test."
        )
    match claim:
        case ComparisonClaim(kind="improves" | "worsens") | ContrastClaim(sign="positive" | "negative"):
            text = (
                f"Equivalent when a difference of {margin} or more is ruled out at {alpha}; else supported when p is below"
                f" {alpha} and the difference has the claimed direction, refuted when it has the opposite one."
            )
        case ComparisonClaim(kind="no_gain" | "no_loss"):
            change = "gain" if claim.kind == "no_gain" else "loss"
            text = (
                f"Supported when a {change} of {margin} is ruled out at {alpha} for every variant;"
                f" refuted when one shows a {change} with p below {alpha}."
            )
        case ComparisonClaim() | ContrastClaim():
            text = (
                f"Supported when a difference of {margin} or more is ruled out at {alpha};"
                f" refuted when p is below {alpha} and the interval lies outside ±{margin}."
            )
        case RangeClaim():
            text = (
                f"Supported when one level inside the range is at least as good as every level outside, minus {margin}, with"
                f" p below {alpha}; refuted when no level inside may be the best."
            )
        case DeclineClaim():
            text = (
                f"Supported when the slope from there on is for the worse with p below {alpha} and no level is better than the"
                " one before it; refuted by such a level, or by a slope for the better that is as clear."
            )
        case ProportionClaim():
            text = (
                f"Supported when the gain for each unit is smaller beyond that level than up to it, with p below {alpha};"
                " refuted when it is larger with the same certainty."
            )
        case ThresholdClaim():
            text = (
                f"Supported when the mean is on the claimed side of the number with p below {alpha};"
                " refuted when it is on the other side with the same certainty."
            )
    if isinstance(claim, ComparisonClaim) and len(claim.variants) > 1:
        text += " A list is supported when all of it is, and refuted when any of it is."
        if claim.kind in phrases.BOUNDS:
            text += " That all of it is has one test; beside it each variant has its own."
    return text


def over_cases(row: Estimate) -> str:
    """How a claim across cases was tested; empty for others, and without a test."""
    if row.cases is None or math.isnan(row.p):
        return ""
    paired = row.over is not None
    if row.cases.exact:
        tests = "McNemar's exact test of no difference, the exact test of Tango's score of the margin, Tango's interval"
        tests = tests if paired else "the exact binomial test, Clopper and Pearson's interval"
    elif row.cases.seeds > 1:
        tests = "Student's t for new seeds and new cases"
    else:
        tests = "paired Student's t" if paired else "Student's t"
    grouped = ", the cases of a group taken together" if row.cases.groups is not None else ""
    return f"Tested {phrases.over_cases(row)}: {tests}{grouped}."


def unpaired(row: Estimate) -> str:
    """How runs that are not paired were tested; empty for others, and without a test."""
    if not row.runs or math.isnan(row.p):
        return ""
    return f"Tested unpaired, over {phrases.counted_runs(row.runs)}: Welch's t test."


def p_values(row: Estimate, verdict: Verdict, plan: Plan, metric: Metric) -> list[str]:
    """The p values that the rule was applied to."""
    found = []
    if not math.isnan(row.p_equivalence) and not metric.exact:
        bounded = isinstance(verdict.claim, ComparisonClaim) and verdict.claim.kind in ("no_gain", "no_loss")
        found.append(f"{'bound' if bounded else 'equivalence'} p {phrases.p_value(row.p_equivalence)}")
    if not math.isnan(row.p_adjusted):
        paired = isinstance(verdict.claim, ComparisonClaim | ContrastClaim)
        found.append(f"{'difference p' if paired else 'p'} {phrases.p_value(row.p_adjusted)}")
        if row.p_adjusted != row.p:
            found.append(f"{phrases.p_value(row.p)} before the correction for all hypotheses of the plan")
    name, p = phrases.refuting_p(row, plan.alpha)
    if name == phrases.AGAINST:
        found.append(f"p of the opposite claim {phrases.p_value(p)}")
    if not found:
        return []
    return [f"Here: {'; '.join(found)}; alpha {plan.alpha:g}."]


def later_seeds(verdict: Verdict, metrics: Mapping[str, Metric]) -> str:
    """All seeds of a claim that was decided earlier; empty if it is contradicted, which is said beside the verdict."""
    wording = "" if verdict.contradicted else phrases.later_seeds(verdict, metrics)
    return f"{wording[:1].upper()}{wording[1:]}." if wording else ""


def decided_look(verdict: Verdict, plan: Plan) -> str:
    """The look of the verdict; empty for a plan with one look."""
    if len(plan.looks) == 1:
        return ""
    if verdict.decided_at is not None:
        wording = "Decided"
    elif not verdict.open and any(note.startswith(model.FUTILE) for note in verdict.notes):
        wording = f"Closed at {phrases.plural(max(row.n for row in verdict.rows), 'seed')}"
    else:
        wording = "Open until a later look" if verdict.open else "Still undecided at the last look that was judged"
    return f"{wording}; looks were planned at {', '.join(map(str, plan.looks))} seeds, and p values are valid at any of them."
