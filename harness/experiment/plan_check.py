"""Plan -> what its parts contradict each other in, so that a changed file is an error with a place. Pure: no task is loaded.

A plan that the harness made has no problems. `problems` lists what would make the code that trains and judges fail or lie:
unknown labels, factors and levels, looks out of order, no runs, runs twice, impossible margins and levels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from harness.common.validation import suggestion
from harness.experiment.claims import Claim, ComparisonClaim, ContrastClaim, ProportionClaim, ThresholdClaim, members
from harness.experiment.plan import Plan, Registration


def problems(plan: Plan) -> Iterator[str]:
    """Each problem as `place: what; what to choose from`. `plan` is a stored one, with its runs."""
    labels = list(plan.variants)
    yield from _unknown("baseline", [plan.baseline], labels)
    for name, mapping in (("data", plan.data), ("over", plan.over), ("levels", plan.levels)):
        yield from _unknown(name, mapping, labels)
        yield from (f"{name}: lacks the variant {label!r}" for label in labels if label not in mapping)
    yield from _unknown("over", plan.over.values(), labels)
    yield from _unknown("resources", plan.resources, labels)
    yield from _registered("", plan)
    if plan.loop is not None and plan.alpha > plan.loop.alpha:
        yield f"alpha: {plan.alpha:g} is more than {plan.loop.alpha:g}, that of its loop"
    if plan.amended is not None:
        yield from _unknown("amended.baseline", [plan.amended.baseline], labels)
        yield from _registered("amended.", plan.amended)
    yield from _runs(plan)
    for place, claims in (("claims", plan.claims), ("amended.claims", plan.amended.claims if plan.amended else ())):
        for number, claim in enumerate(claims, start=1):
            yield from (f"{place}: claim {number}: {what}" for what in _claim(plan, claim))
    for group, candidates in (plan.selection.groups if plan.selection else {}).items():
        yield from _unknown(f"selection.groups.{group}", candidates, labels)


def unknown_metrics(plan: Plan, metrics: Collection[str]) -> Iterator[str]:
    """As `problems`: claims about other metrics than `metrics`, those that a result of the plan's task may hold."""
    for number, claim in enumerate(plan.claims, start=1):
        named = [claim.metric, *([claim.dose] if isinstance(claim, ProportionClaim) and claim.dose else [])]
        for name in named:
            if name not in metrics:
                yield f"claims: claim {number}: {plan.task} has no metric {name!r}; {suggestion(name, metrics)}"


def missing_runs(plan: Plan) -> list[str]:
    """`variant seed n` of every run that the plan lacks: each variant has each seed, at least as many as the last look has."""
    if plan.listed_seeds:
        seeds: Sequence[int] = plan.listed_seeds
    else:
        seeds = plan.first_seeds(max(plan.runs[-1].seed + 1 - plan.runs[0].seed, plan.looks[-1]))
    known = {(run.variant, run.seed) for run in plan.runs}
    return [f"{label} seed {seed}" for seed in seeds for label in plan.variants if (label, seed) not in known]


def _registered(above: str, one: Plan | Registration) -> Iterator[str]:
    if not one.looks or one.looks[0] < 1 or any(after <= before for before, after in pairwise(one.looks)):
        yield f"{above}looks: {list(one.looks)} are not increasing numbers of seeds"
    if not 0 < one.alpha < 1:
        yield f"{above}alpha: {one.alpha:g} is not between 0 and 1"
    if one.margin is not None and not 0 <= one.margin < float("inf"):
        yield f"{above}margin: {one.margin:g} is not a size; a margin is positive"


def _runs(plan: Plan) -> Iterator[str]:
    if not plan.runs:
        yield "runs: there are none"
    yield from _unknown("runs", (run.variant for run in plan.runs), list(plan.variants))
    seen: set[object] = set()
    for run in plan.runs:
        for key in (run.id, (run.variant, run.seed)):
            if key in seen:
                yield f"runs: {run.variant} seed {run.seed} ({run.id}) is listed twice"
                return
            seen.add(key)
    if len(set(plan.listed_seeds)) < len(plan.listed_seeds):
        yield f"listed_seeds: {list(plan.listed_seeds)} lists a seed twice"
        return
    places = {seed: place for place, seed in enumerate(plan.listed_seeds)}
    if unlisted := next((run for run in plan.runs if places and run.seed not in places), None):
        yield f"listed_seeds: lacks the seed {unlisted.seed} of {unlisted.variant}"
        return
    for before, after in pairwise(plan.runs):
        if places.get(after.seed, after.seed) < places.get(before.seed, before.seed):
            yield f"runs: seed {after.seed} of {after.variant} comes after seed {before.seed}; runs are listed seed by seed"
            return


def _claim(plan: Plan, claim: Claim) -> Iterator[str]:
    factors = {name: dict.fromkeys(own[name] for own in plan.levels.values() if name in own) for name in _factors(plan)}
    for factor, level in claim.where.items():
        if factor not in factors:
            yield f"where: no factor {factor!r}; {suggestion(factor, factors)}"
        elif level not in factors[factor]:
            yield f"where: {factor} has no level {level!r}; {suggestion(level, factors[factor])}"
    match claim:
        case ComparisonClaim(variants=variants, over=over):
            named: Sequence[str] = (*variants, *over)
            if not variants or len(variants) != len(over):
                yield f"compares {len(variants)} variants with {len(over)}; each variant has one reference in `over`"
        case ContrastClaim(weights=weights):
            named = tuple(weights)
        case ThresholdClaim(variant=variant):
            named = (variant,)
        case _:
            named = ()
            if claim.factor not in factors:
                yield f"no factor {claim.factor!r}; {suggestion(claim.factor, factors)}"
    for label in dict.fromkeys(named):
        if not members(label, plan.levels, claim.where):
            yield f"no variant {label!r}; {suggestion(label, plan.variants)}"
    if (margin := getattr(claim, "margin", 0.0)) < 0:
        yield f"the margin {margin:g} is negative"


def _factors(plan: Plan) -> dict[str, None]:
    return dict.fromkeys([*plan.factors, *(name for own in plan.levels.values() for name in own)])


def _unknown(place: str, labels: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    for label in dict.fromkeys(labels):
        if label not in known:
            yield f"{place}: no variant {label!r}; {suggestion(label, known)}"
