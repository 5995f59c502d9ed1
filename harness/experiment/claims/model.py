"""Checked claims as plans store them, discriminated by `kind`, with all defaults filled in; and their digest.

In a grid, a label may name only some of the factors (`schedule=cosine`): it means the mean over the variants with those levels,
seed by seed. `members` gives the variants of a label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from harness.tasks.protocol import Metric

ComparisonKind = Literal["improves", "worsens", "equivalent", "no_gain", "no_loss"]
COMPARISONS: tuple[str, ...] = get_args(ComparisonKind)
# What a claim is tested over: runs with other seeds, or the cases of an evaluation.
Across = Literal["seeds", "cases"]


class _Claim(BaseModel):
    """`where` is a slice of the design: factor -> level's label."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    where: Mapping[str, str] = {}
    failed_counts_as: float | None = None  # the metric's value for a failed or diverged run


class ComparisonClaim(_Claim):
    """Each variant against its reference in `over`; several variants get one joint verdict."""

    kind: ComparisonKind
    variants: tuple[str, ...]
    over: tuple[str, ...]
    margin: float
    across: Across = "seeds"


class ContrastClaim(_Claim):
    """The sum of weight times variant; the weights sum to 0."""

    kind: Literal["contrast"] = "contrast"
    weights: Mapping[str, float]
    sign: Literal["positive", "negative", "negligible"]
    margin: float


class RangeClaim(_Claim):
    """The best dose inside the range (ends included) is at least the best outside, minus the margin."""

    kind: Literal["best_in_range"] = "best_in_range"
    factor: str
    inside: tuple[float, float]
    margin: float


class DeclineClaim(_Claim):
    """The metric gets worse over the doses from `beyond` on."""

    kind: Literal["declines_beyond"] = "declines_beyond"
    factor: str
    beyond: float


class ProportionClaim(_Claim):
    """The gain per unit of dose is smaller from `beyond` on. `dose`: a metric of results that replaces the factor's levels."""

    kind: Literal["no_proportional_gain"] = "no_proportional_gain"
    factor: str
    beyond: float
    dose: str | None = None


class ThresholdClaim(_Claim):
    """A variant's metric against a number."""

    kind: Literal["at_least", "at_most"]
    variant: str
    value: float
    across: Across = "seeds"


DoseClaim = RangeClaim | DeclineClaim | ProportionClaim
Claim = Annotated[
    ComparisonClaim | ContrastClaim | RangeClaim | DeclineClaim | ProportionClaim | ThresholdClaim, Field(discriminator="kind")
]


@dataclass(frozen=True)
class Factor:
    """A factor: level label -> its number (None for a level that is not a number); `path`: its key in the file."""

    name: str
    levels: Mapping[str, float | None]
    path: str = ""


@dataclass(frozen=True)
class Setting:
    """What claims may refer to: labels, levels, metrics, the margin of the file."""

    labels: Sequence[str]
    over: Mapping[str, str]  # label -> default reference
    factors: Sequence[Factor]
    levels: Mapping[str, Mapping[str, str]]  # label -> factor -> level's label
    metrics: Mapping[str, Metric]
    margin: float | None
    looks: Sequence[int] = ()
    by_cases: Sequence[str] | None = None  # the metrics that may be measured by cases; None: not known


def as_dict(claim: Claim) -> dict[str, Any]:
    """JSON values without defaults, so that new fields do not change old digests."""
    fields = type(claim).model_fields
    dumped = claim.model_dump(mode="json")
    return {name: value for name, value in dumped.items() if name == "kind" or value != fields[name].default}


def digest(claims: Sequence[Claim], registered: Mapping[str, Any]) -> str:
    """SHA-256 (first 12 hex digits) over the claims and what was registered with them (looks, margin, alpha, baseline)."""
    text = json.dumps(
        [[as_dict(claim) for claim in claims], dict(registered)], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def members(label: str, levels: Mapping[str, Mapping[str, str]], where: Mapping[str, str]) -> tuple[str, ...]:
    """The variants of `label` in the slice `where`: itself, or in a grid all with the levels that it names.

    `levels` is label -> factor -> level's label, of every variant. Empty if no variant matches.
    """
    if label in levels:
        return (label,) if within(levels[label], where) else ()
    named = named_levels(label, levels) if is_grid(levels) else {}
    return tuple(name for name, own in levels.items() if within(own, named) and within(own, where)) if named else ()


def named_levels(label: str, levels: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Factor -> level that a label names, in any order; empty if it is not such a label or is ambiguous."""
    factors = {factor: dict.fromkeys(own[factor] for own in levels.values()) for factor in next(iter(levels.values()), {})}
    found = _readings(label, factors)
    return {factor: found[0][factor] for factor in factors if factor in found[0]} if len(found) == 1 else {}


def _readings(label: str, factors: Mapping[str, Iterable[str]]) -> list[dict[str, str]]:
    """All readings of a label as levels of factors: the text of a level may contain `=` and `, `."""
    found: list[dict[str, str]] = []
    for factor, own in factors.items():
        others = {name: levels for name, levels in factors.items() if name != factor}
        for level in own:
            head = f"{factor}={level}"
            if label == head:
                found.append({factor: level})
            elif label.startswith(f"{head}, "):
                found += [{factor: level, **rest} for rest in _readings(label.removeprefix(f"{head}, "), others)]
    return found


def level_names(levels: Mapping[str, str]) -> str:
    """Factor -> level as a label: `lr=0.05, schedule=cosine`."""
    return ", ".join(f"{factor}={level}" for factor, level in levels.items())


def within(levels: Mapping[str, str], required: Mapping[str, str]) -> bool:
    """Whether a variant has all the required levels."""
    return all(levels.get(factor) == level for factor, level in required.items())


def is_grid(levels: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the variants are all combinations of the levels of two factors or more."""
    factors = list(next(iter(levels.values()), {}))
    sizes = [len({own.get(factor) for own in levels.values()}) for factor in factors]
    return len(factors) > 1 and prod(sizes) == len(levels)
