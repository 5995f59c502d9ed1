"""A checked claim: a union of frozen models told apart by `kind`, every default written out; what a plan keeps, and its digest.

In a grid, a label may name some of the factors only (`schedule=cosine`): it stands for the mean over the variants that have
those levels, seed by seed. `members` says which variants a label means.
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


class _Claim(BaseModel):
    """What every claim has. `where` is a slice of the design: factor -> level's label."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    where: Mapping[str, str] = {}
    failed_counts_as: float | None = None  # the metric's value for a failed or diverged run


class ComparisonClaim(_Claim):
    """Variants against what each is compared with; of several, one joint verdict."""

    kind: ComparisonKind
    variants: tuple[str, ...]
    over: tuple[str, ...]
    margin: float


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
    """The gain for each unit of dose is smaller from `beyond` on. `dose`: a result's number in place of the factor's levels."""

    kind: Literal["no_proportional_gain"] = "no_proportional_gain"
    factor: str
    beyond: float
    dose: str | None = None


class ThresholdClaim(_Claim):
    """A variant's metric against a number."""

    kind: Literal["at_least", "at_most"]
    variant: str
    value: float


DoseClaim = RangeClaim | DeclineClaim | ProportionClaim
Claim = Annotated[
    ComparisonClaim | ContrastClaim | RangeClaim | DeclineClaim | ProportionClaim | ThresholdClaim, Field(discriminator="kind")
]


@dataclass(frozen=True)
class Factor:
    """A factor as claims see it: level label -> its number (None for a level that is no number)."""

    name: str
    levels: Mapping[str, float | None]


@dataclass(frozen=True)
class Setting:
    """What a claim may refer to: the design's labels and levels, the metrics, the file's margin."""

    labels: Sequence[str]
    over: Mapping[str, str]  # label -> the default it is compared with
    factors: Sequence[Factor]
    levels: Mapping[str, Mapping[str, str]]  # label -> factor -> level's label
    metrics: Mapping[str, Metric]
    margin: float | None


def as_dict(claim: Claim) -> dict[str, Any]:
    """JSON values; what is at its default is left out, so that a field added later leaves old digests alone."""
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
    """The variants that `label` means in the slice `where`: itself, or in a grid all that have the levels it names.

    `levels` is label -> factor -> level's label, of every variant. Empty: there is no such variant.
    """
    if label in levels:
        return (label,) if within(levels[label], where) else ()
    named = named_levels(label, levels) if is_grid(levels) else {}
    return tuple(name for name, own in levels.items() if within(own, named) and within(own, where)) if named else ()


def named_levels(label: str, levels: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Factor -> level that a label names, in whatever order; empty where it is no such label, or could be read in two ways."""
    factors = {factor: dict.fromkeys(own[factor] for own in levels.values()) for factor in next(iter(levels.values()), {})}
    found = _readings(label, factors)
    return {factor: found[0][factor] for factor in factors if factor in found[0]} if len(found) == 1 else {}


def _readings(label: str, factors: Mapping[str, Iterable[str]]) -> list[dict[str, str]]:
    """Every way to read a label as levels of the factors: the text of a level may hold `=` and `, ` itself."""
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


def within(levels: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Whether a variant has all the levels that are asked for."""
    return all(levels.get(factor) == level for factor, level in asked.items())


def is_grid(levels: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the variants are all combinations of the levels of two factors or more."""
    factors = list(next(iter(levels.values()), {}))
    sizes = [len({own.get(factor) for own in levels.values()}) for factor in factors]
    return len(factors) > 1 and prod(sizes) == len(levels)
