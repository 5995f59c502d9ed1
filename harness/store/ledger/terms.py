"""Plan -> what the ledger registers of it, and what its claims compare. Pure, apart from loading the plan's task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import InputError
from harness.experiment.changes import registration
from harness.experiment.claims import (
    Claim,
    ComparisonClaim,
    ContrastClaim,
    ThresholdClaim,
    as_dict,
    members,
    within,
)
from harness.experiment.plan import Plan, PlannedRun, Registration, task_of
from harness.store.ledger.entry import RunList, Terms, digest_of
from harness.tasks.identity import identity
from harness.tasks.protocol import parse_config

PAIR, VALUE, DOSE = "pair", "value", "dose"
SHORT = 16  # hex digits of a variant in a comparison


def terms(plan: Plan, variants: Mapping[str, str] | None = None) -> Terms:
    """What `plan` registers. `variants`: their digests, if the caller knows them."""
    return _terms(registration(plan), variant_digests(plan) if variants is None else variants)


def amended_terms(plan: Plan) -> Terms | None:
    """What the experiment's file has now, if it differs from what is registered; without variants, which cannot change."""
    return None if plan.amended is None else _terms(plan.amended, {})


def _terms(registered: Registration, variants: Mapping[str, str]) -> Terms:
    # A field that a later version adds has a neutral default: leaving it out keeps the digests of older plans.
    # `at` is left out: the entry has a time of its own, and whoever plans the same again registers nothing new.
    settings = registered.model_dump(mode="json", exclude={"claims", "claims_digest", "at"}, exclude_defaults=True)
    if registered.known is not None:
        settings["known"] = f"{len(registered.known)} results ({digest_of(list(registered.known))[:12]})"
    claims = tuple(digest_of(as_dict(claim)) for claim in registered.claims)
    return Terms(claims=claims, settings={"alpha": registered.alpha, **settings}, variants=variants)


def variant_digests(plan: Plan) -> dict[str, str]:
    """Label -> digest of task, version, configuration and data. Empty if the task cannot be loaded or has another version."""
    try:
        task = task_of(plan)
        if task.version != plan.task_version:
            return {}
        return {
            label: digest_of([plan.task, plan.task_version, identity(parse_config(task, config)), plan.data[label]])
            for label, config in plan.variants.items()
        }
    except (InputError, ValueError, KeyError):
        return {}


def run_list(runs: Sequence[PlannedRun]) -> RunList:
    """The runs of a plan."""
    ids = hashlib.sha256("\n".join(run.id for run in runs).encode()).hexdigest()
    return RunList(count=len(runs), seeds=len({run.seed for run in runs}), ids=ids)


def comparisons(plan: Plan, claim: Claim, variants: Mapping[str, str]) -> tuple[str, ...]:
    """What `claim` compares, by the digests of the variants: the same in every plan, whatever the labels.

    `pair A B` is a difference of two sides (in any order), `value A` the value of a variant; `dose A` a variant of a claim about
    several at once, of which two in common are needed to be the same comparison.
    """
    if not variants:
        return ()
    if isinstance(claim, ComparisonClaim):
        sides = zip(claim.variants, claim.over, strict=True)
        return tuple(dict.fromkeys(_pair(*(_side(plan, label, claim.where, variants) for label in pair)) for pair in sides))
    if isinstance(claim, ThresholdClaim):
        return (f"{VALUE} {_side(plan, claim.variant, claim.where, variants)}",)
    labels: Iterable[str] = [label for label, own in plan.levels.items() if within(own, claim.where)]
    if isinstance(claim, ContrastClaim):
        labels = [one for label in claim.weights for one in members(label, plan.levels, claim.where)]
    return tuple(dict.fromkeys(f"{DOSE} {variants[label][:SHORT]}" for label in labels if label in variants))


def shown_comparisons(plan: Plan, variants: Mapping[str, str]) -> tuple[str, ...]:
    """The differences that the table of variants shows, claimed or not."""
    if not variants:
        return ()
    pairs = [(label, over) for label, over in plan.over.items() if label != over and {label, over} <= variants.keys()]
    return tuple(dict.fromkeys(_pair(variants[one][:SHORT], variants[other][:SHORT]) for one, other in pairs))


def same(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of comparisons have one in common."""
    common = set(one) & set(other)
    return any(not each.startswith(DOSE) for each in common) or len(common) > 1


def _pair(one: str, other: str) -> str:
    return f"{PAIR} {' '.join(sorted((one, other)))}"


def _side(plan: Plan, label: str, where: Mapping[str, str], variants: Mapping[str, str]) -> str:
    """A variant, or in a grid the mean of several."""
    found = sorted(variants[one] for one in members(label, plan.levels, where) if one in variants)
    return found[0][:SHORT] if len(found) == 1 else digest_of(found)[:SHORT]
