"""Loops of comparisons: which number and level a plan has as a member.

A loop is a name in the ledger of a results folder. Its members are numbered in the order in which they joined, and each keeps
the level that the decisions known then left it; so the levels depend on the ledger only, whatever is removed later.
A discovery is a member whose first registered claim was supported at a look; one that is unfinished is not, yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harness.errors import InputError, Position, Problem
from harness.experiment.claims import ComparisonClaim, digest, members
from harness.experiment.plan import Loop, Plan
from harness.store.ledger.chain import Ledger
from harness.store.ledger.entry import LoopJoined, digest_of
from harness.store.ledger.history import judged_results
from harness.store.ledger.state import LoopState, State
from harness.store.ledger.terms import terms
from harness.store.paths import NAME
from harness.store.records import Store

OPTION = "--loop"
ABOUT_RESULTS = ("known", "loop", "alpha")  # settings of a registration that do not make another question


def member(store: Store, name: str, alpha: float, plan: Plan, *, record: bool = True) -> Plan:
    """`plan` as a member of the loop `name`, whose level over all members is `alpha`; its own level becomes its alpha.

    The ledger records a new member; two processes that join at once get different numbers. A plan that compares the same in the
    same way as a member is that member. `record` False: as it would join now. Raises InputError for an invalid name, an alpha
    that is not the loop's, a plan without a claim or whose results only choose, one that was started outside the loop, and one
    that compares with a version that the loop did not keep; StoreError.
    """
    from harness.analysis.statistics.online import lord_level

    _check(name, plan)
    about, references = _sides(plan)
    first = {run.variant: run.id for run in reversed(plan.runs)}
    compared = tuple(first[label] for label in about)
    question, fresh = _question(plan), not _known(store, plan, about)

    def joining(state: State) -> LoopJoined:
        """The member that asks the question, or the next one."""
        loop = state.loop(name)
        _check_alpha(name, alpha, loop)
        if (known := loop.member(question)) is not None:
            return known
        _check_kept(name, {label: first[label] for label in references}, loop)
        number = len(loop.members) + 1
        level = lord_level(number, loop.discoveries, alpha)
        return LoopJoined(
            loop=name,
            number=number,
            plan=plan.name,
            question=question,
            alpha=alpha,
            level=level,
            compared=compared,
            fresh=fresh,
        )

    def decide(state: State) -> LoopJoined | None:
        return None if state.loop(name).member(question) is not None else joining(state)

    ledger = Ledger(store.paths).read()
    found = joining(ledger.state)
    if ledger.state.loop(name).member(question) is None:
        _check_outside(store, name, plan)
        if record:
            ledger.append(decide)
            found = joining(ledger.state)
    return as_member(plan, Loop(name=name, number=found.number, alpha=found.alpha), found.level)


def as_member(plan: Plan, loop: Loop, level: float) -> Plan:
    """The plan with its place in a loop, judged at `level`."""
    registered = {"looks": plan.looks, "margin": plan.margin, "alpha": level, "baseline": plan.baseline}
    own = {"loop": loop, "alpha": level, "claims_digest": digest(plan.claims, registered)}
    return Plan.model_validate({**dict(plan), **own})


def _question(plan: Plan) -> str:
    """A digest of what the plan compares, by its first runs, and how: claims, looks, margin."""
    registered = terms(plan, {})
    settings = {key: value for key, value in registered.settings.items() if key not in ABOUT_RESULTS}
    first = [run.id for run in plan.runs if run.seed in plan.first_seeds(plan.looks[0])]
    return digest_of([plan.name, list(registered.claims), settings, first])


def _sides(plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variants that the first claim is about, and those that any claim only compares others with."""
    comparisons = [claim for claim in plan.claims if isinstance(claim, ComparisonClaim)]
    over = dict.fromkeys(one for claim in comparisons for one in _variants(plan, claim, claim.over))
    first = plan.claims[0]
    about = dict.fromkeys(_variants(plan, first, first.variants) if isinstance(first, ComparisonClaim) else plan.variants)
    own = _variants(plan, first, first.over) if isinstance(first, ComparisonClaim) else []
    return tuple(one for one in about if one not in own), tuple(one for one in over if one not in about)


def _variants(plan: Plan, claim: ComparisonClaim, labels: Sequence[str]) -> list[str]:
    return [one for label in labels for one in members(label, plan.levels, claim.where)]


def _known(store: Store, plan: Plan, labels: Collection[str]) -> bool:
    """Whether a result of these variants is known."""
    of_these = [run.id for run in plan.runs if run.variant in labels]
    return bool({*judged_results(store.paths)} & {*of_these} or store.with_results(of_these))


def _check(name: str, plan: Plan) -> None:
    if not NAME.fullmatch(name):
        raise _refused(
            f"invalid name {name!r}; use letters, digits, spaces and _ = , + -; . and @ only after the first character"
        )
    if plan.selection is not None:
        raise _refused(f"{plan.name} is tuned first; only plans whose results are evidence can be compared in a loop")
    if not plan.claims:
        raise _refused(f"{plan.name} has no claim, so nothing decides whether it is a discovery; add one")


def _check_alpha(name: str, alpha: float, loop: LoopState) -> None:
    if loop.members and (began := loop.members[0].alpha) != alpha:
        message = f"{alpha:g} is not that of the loop {name!r}, which began with {began:g}; use {began:g}, or another loop"
        raise InputError([Problem(Position("--alpha"), "", message)])


def _check_kept(name: str, references: Mapping[str, str], loop: LoopState) -> None:
    """A version that was not kept may have been unlucky on these seeds, so that whatever is compared with it looks good."""
    for label, run_id in references.items():
        if (lost := loop.not_kept([run_id])) is not None:
            raise _refused(
                f"{name} has not kept {label!r} (comparison {lost.number}, {lost.plan}), so nothing can be compared with it on "
                "the same seeds; use the version that was kept last, or fresh seeds"
            )


def _check_outside(store: Store, name: str, plan: Plan) -> None:
    stored = store.load_plan(plan.name)
    if stored is None or (stored.loop is not None and stored.loop.name == name):
        return
    if any(record.state != "pending" for record in store.records(run.id for run in stored.runs).values()):
        where = f"in the loop {stored.loop.name!r}" if stored.loop else "outside of a loop"
        raise _refused(f"{plan.name} was started {where}; give its comparison in the loop {name!r} another name")


def _refused(message: str) -> InputError:
    return InputError([Problem(Position(OPTION), "", message)])
