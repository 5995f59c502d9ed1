"""Whether claims were written before their results, as text."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.verdicts import Registered, Verdict
from harness.existing.plan import ExistingPlan
from harness.experiment.file import MAX_SEEDS, TUNING_SEED
from harness.experiment.plan import Plan
from harness.reporting.phrases.numbers import listed, plural

RETROSPECTIVE = "RETROSPECTIVE"
REGISTERED = "Registered before any of its results was known"
ADDED = "Added to the file when none of its results was known"
UNKNOWN = "Whether it was registered before its results is unknown"


def retrospective(found: Registered, plan: Plan | None = None) -> str:
    """`RETROSPECTIVE: 21 of 21 results were known when this plan was written`; with the plan the baseline is named."""
    if found.results_known is None:
        return f"{RETROSPECTIVE}: added to the file after the first runs had started; how many results were known is not recorded"
    if isinstance(plan, ExistingPlan):
        return f"{RETROSPECTIVE}: {all_of(found.results_used)} existed before this claim"
    written = "this claim was added to the file" if found.added else "this plan was written"
    were = "was" if found.results_used == 1 else "were"
    text = f"{RETROSPECTIVE}: {found.results_known:,d} of {plural(found.results_used, 'result')} {were} known when {written}"
    if found.only:
        role = "the baseline" if plan is not None and found.only == (plan.baseline,) else "what it is compared with:"
        text += f", all of {role} {listed(found.only)}"
    return f"{text} (by the times in the files)" if found.by_times else text


def reused(found: Registered, plan: Plan | None = None) -> str:
    """Which results a loop of comparisons used again, without a full stop."""
    role = "the baseline" if plan is not None and found.only == (plan.baseline,) else "what it is compared with:"
    known = f"{found.results_known:,d} of {plural(found.results_used, 'result')}"
    return (
        f"Registered in the loop {found.loop!r} when only results of {role} {listed(found.only)} were known ({known}), whose "
        "runs the loop uses again; a version that was kept for good results makes the next comparison harder, not easier"
    )


def registration(verdict: Verdict, plan: Plan | None = None) -> str:
    """When the claim was written, without a full stop; for a retrospective one also what to do."""
    found = verdict.registration
    if found is None:
        return UNKNOWN
    if found.retrospective:
        return f"{retrospective(found, plan)}{advice(plan) if plan is not None else ''}"
    if found.loop is not None:
        return reused(found, plan)
    text = ADDED if found.added else REGISTERED
    return f"{text} (by the times in the files)" if found.by_times else text


def short_registration(verdict: Verdict) -> str:
    """`RETROSPECTIVE: 21 of 21 results known`; empty for a claim that was written before its results."""
    found = verdict.registration
    if found is None:
        return "registration unknown"
    if not found.retrospective:
        return ""
    known = "" if found.results_known is None else f": {found.results_known:,d} of {plural(found.results_used, 'result')} known"
    return f"{RETROSPECTIVE}{known}"


def retrospective_claims(verdicts: Sequence[Verdict], plan: Plan) -> tuple[str, ...]:
    """A line for each reason why claims are retrospective, with the numbers of the claims if it is not about all; the last
    line ends with what to do."""
    places: dict[str, list[int]] = {}
    for place, verdict in enumerate(verdicts, 1):
        if verdict.registration is not None and verdict.retrospective:
            places.setdefault(retrospective(verdict.registration, plan), []).append(place)
    lines = [text if len(own) == len(verdicts) else _about(text, own) for text, own in places.items()]
    return (*lines[:-1], f"{lines[-1]}{advice(plan)}") if lines else ()


def known_results(plan: Plan) -> str | None:
    """For a plan with claims: how many of its results existed before it; None if none did or it is not recorded."""
    claims = plan.claims or (plan.amended is not None and plan.amended.claims)
    if not plan.known or not claims:
        return None
    existed = f"{len(plan.known):,d} of {plural(len(plan.runs), 'result')} existed before this plan"
    owners = {run.variant for run in plan.runs if run.id in set(plan.known)}
    if plan.loop is not None and owners == {plan.baseline}:
        return f"{existed}, all of the baseline {plan.baseline}, whose runs the loop {plan.loop.name!r} uses again"
    return f"{existed}: claims about them are {RETROSPECTIVE}"


def advice(plan: Plan) -> str:
    """`; judge it on fresh seeds with seeds: {n: 5, first: 5}`; empty if a search chose the seeds or none are left.

    Fresh seeds of an evaluation may give the same outcomes: if every claim is across cases, the cases must be fresh.
    """
    if isinstance(plan, ExistingPlan):
        return "; evidence is a claim that was registered before its results, see: harness new --help"
    if plan.claims and all(getattr(claim, "across", "seeds") == "cases" for claim in plan.claims):
        return "; judge it on cases that were in none of these results"
    first = max((run.seed + 1 for run in plan.runs), default=0)
    if plan.confirms or first + plan.looks[-1] > (MAX_SEEDS if plan.chosen is None else TUNING_SEED):
        return ""
    number = f"n: {plan.looks[0]}" if len(plan.looks) == 1 else f"looks: [{', '.join(map(str, plan.looks))}]"
    return f"; judge it on fresh seeds with seeds: {{{number}, first: {first}}}"


def all_of(count: int) -> str:
    """`all 10 results`."""
    if count == 2:
        return "both results"
    return "the only result" if count == 1 else f"all {count:,d} results"


def _about(text: str, places: Sequence[int]) -> str:
    which = f"{'claim' if len(places) == 1 else 'claims'} {', '.join(map(str, places))}"
    return text.replace(RETROSPECTIVE, f"{RETROSPECTIVE}: {which}", 1)
