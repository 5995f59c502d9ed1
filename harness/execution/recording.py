"""Write to the ledger what happens to plans and results. Each function is idempotent: any number of workers may call it.

Verdicts are judged elsewhere, by pure functions; here they are only recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from harness.experiment.claims import as_dict
from harness.experiment.plan import Plan
from harness.store.ledger.chain import Ledger
from harness.store.ledger.entry import (
    ClaimsAmended,
    Event,
    FirstRunStarted,
    JudgedClaim,
    LookJudged,
    PlanExtended,
    PlanRegistered,
    Replanned,
    ResultsMissing,
    ResultsSetAside,
    WinnerChosen,
)
from harness.store.ledger.history import NOTHING, extends, result_digests, terms_differences
from harness.store.ledger.state import State, key
from harness.store.ledger.terms import amended_terms, comparisons, run_list, shown_comparisons, terms, variant_digests
from harness.store.records import Record, Store

if TYPE_CHECKING:
    from harness.analysis.verdicts import Judgement, Verdict

EXPLORATORY = "exploratory"  # the word for comparisons that nobody claimed


def save_plan(store: Store, plan: Plan, replaces: bool) -> None:
    """Save `plan`; `replaces`: archive the stored one first. The ledger learns of it first. Raises StoreError."""
    ledger = Ledger(store.paths)
    stored = store.load_plan(plan.name)
    if replaces:
        archive_plan(store, plan.name, ledger)
    variants = variant_digests(plan)
    # A stored plan that goes on was registered when it was made. If it differs from that, it was edited: not registered again.
    goes_on = stored is not None and not replaces and not terms_differences(terms(stored), terms(plan, variants))
    register(store, plan, ledger, goes_on=goes_on)
    if plan.chosen is not None:
        chosen = WinnerChosen(plan=plan.chosen.plan, then=plan.name, variants=plan.chosen.variants)
        ledger.append(lambda state: None if state.chosen.get(plan.name) == chosen else chosen)
    store.save_plan(plan)


def archive_plan(store: Store, name: str, ledger: Ledger | None = None) -> None:
    """Archive the plan `name`, if there is one. Raises StoreError."""
    stored = store.load_plan(name)
    path = store.archive_plan(name)
    if stored is None or path is None:
        return  # another worker was faster, and records it
    event = Replanned(
        plan=name,
        terms=terms(stored).digest,
        archived=path.relative_to(store.paths.root).as_posix(),
        results_known=_results(store, stored),
    )
    (ledger or Ledger(store.paths)).append(lambda _: event)


def archive_study(store: Store, name: str) -> None:
    """Archive the search `name`; see `Catalog.archive_study`. Raises StoreError."""
    path = store.archive_study(name)
    event = Replanned(plan=name, terms=None, archived=path.relative_to(store.paths.root).as_posix(), results_known=0)
    Ledger(store.paths).append(lambda _: event)


def register(store: Store, plan: Plan, ledger: Ledger, *, goes_on: bool) -> None:
    """Record the registration of `plan`, or what changed since: further seeds, other claims in the experiment's file.

    `goes_on`: it is the stored plan, whose registration cannot change.
    """
    variants = variant_digests(plan)
    own, amended, runs, results = terms(plan, variants), amended_terms(plan), run_list(plan.runs), _results(store, plan)

    def decide(state: State) -> Event | None:
        known = state.plan(plan.name)
        fresh = PlanRegistered(
            plan=plan.name, terms=own, runs=runs, results_known=results, replaces=known.terms.digest if known.terms else None
        )
        if known.terms is None or known.runs is None:
            return fresh
        if terms_differences(known.terms, own):
            return None if goes_on else fresh
        if known.amended != amended:
            return ClaimsAmended(plan=plan.name, terms=amended, results_known=results)
        if known.runs == runs:
            return None
        if extends(known.runs, plan):
            return PlanExtended(plan=plan.name, runs=runs, results_known=results)
        return None if goes_on else fresh

    while ledger.append(decide) is not None:
        continue


def record_first_run(store: Store, plan: Plan, ledger: Ledger) -> None:
    """A worker is about to take a run of `plan`. Raises StoreError."""
    if ledger.read().state.plan(plan.name).started:
        return
    _register_unknown(store, plan, ledger)
    event = FirstRunStarted(plan=plan.name, terms=terms(plan).digest)
    ledger.append(lambda state: None if state.plan(plan.name).started else event)


def record_looks(
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    judgement: Judgement,
    ledger: Ledger | None = None,
    *,
    known: Mapping[str, str] = NOTHING,
) -> None:
    """Record the current look of `plan` with its verdicts and results, and results that an earlier look used and that changed.

    Nothing before the first look, or for a plan whose results only choose. `known`: as in `result_digests`. Raises StoreError.
    """
    if judgement.look == 0 or plan.selection is not None:
        return
    ledger = ledger or Ledger(store.paths)
    _register_unknown(store, plan, ledger.read())
    judged_seeds = plan.first_seeds(judgement.look)
    seen = [run.id for run in plan.runs if run.seed in judged_seeds and records[run.id].finished]
    used = ledger.state.plan(plan.name).used
    now = result_digests(store.paths, dict.fromkeys([*seen, *used]), used, known)
    variants = variant_digests(plan)
    judged, by = _judged(plan, judgement, variants), terms(plan, variants).digest

    def missing(state: State) -> Event | None:
        event = ResultsMissing(plan=plan.name, results=state.changed(plan.name, now))
        return event if event.results and key(event) not in state.plan(plan.name).written else None

    def look(state: State) -> Event | None:
        results = state.unnamed(plan.name, now)
        event = LookJudged(plan=plan.name, terms=by, look=judgement.look, verdicts=judged, results=results)
        return event if results or key(event) not in state.plan(plan.name).written else None

    ledger.append(missing)
    ledger.append(look)


def record_set_aside(store: Store, run_ids: Iterable[str]) -> None:
    """The results of these runs are about to be archived for a retry. Raises StoreError."""
    found = {run_id: digest for run_id, digest in result_digests(store.paths, run_ids).items() if digest is not None}

    def decide(state: State) -> Event | None:
        fresh = {run: digest for run, digest in found.items() if digest not in state.set_aside.get(run, ())}
        return ResultsSetAside(results=fresh) if fresh else None

    if found:
        Ledger(store.paths).append(decide)


def _register_unknown(store: Store, plan: Plan, ledger: Ledger) -> None:
    """Register a plan that the ledger does not know: it was made before the ledger, or copied here."""
    if ledger.state.plan(plan.name).terms is None:
        register(store, plan, ledger, goes_on=True)


def _judged(plan: Plan, judgement: Judgement, variants: Mapping[str, str]) -> tuple[JudgedClaim, ...]:
    found = [_judged_claim(plan, verdict, variants) for verdict in judgement.verdicts]
    claimed = {one for each in found for one in each.comparisons}
    if others := tuple(one for one in shown_comparisons(plan, variants) if one not in claimed):
        found.append(JudgedClaim(claim=None, registered=False, verdict=EXPLORATORY, comparisons=others))
    return tuple(found)


def _judged_claim(plan: Plan, verdict: Verdict, variants: Mapping[str, str]) -> JudgedClaim:
    return JudgedClaim(
        claim=as_dict(verdict.claim),
        registered=verdict.registered,
        verdict=verdict.verdict,
        decided_at=verdict.decided_at,
        open=verdict.open,
        p_adjusted=tuple(float(row.p_adjusted) if isfinite(row.p_adjusted) else None for row in verdict.rows),
        comparisons=comparisons(plan, verdict.claim, variants),
    )


def _results(store: Store, plan: Plan) -> int:
    """How many runs of the plan have a result."""
    return len(store.with_results(run.id for run in plan.runs))
