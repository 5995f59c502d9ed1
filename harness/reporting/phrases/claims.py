"""Claims as sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.experiment.claims import (
    Claim,
    ComparisonClaim,
    ContrastClaim,
    DeclineClaim,
    ProportionClaim,
    RangeClaim,
    ThresholdClaim,
)
from harness.reporting.phrases.numbers import figure, label, listed, margin
from harness.tasks.protocol import Metric

# Kind of comparison -> its verb for one variant, and for several.
COMPARISONS: Mapping[str, tuple[str, str]] = {
    "improves": ("improves on", "improve on"),
    "worsens": ("is worse than", "are worse than"),
    "equivalent": ("is equivalent to", "are equivalent to"),
    "no_gain": ("gains nothing over", "gain nothing over"),
    "no_loss": ("loses nothing against", "lose nothing against"),
}

CONTRASTS: Mapping[str, str] = {"positive": "improves", "negative": "worsens", "negligible": "equivalent"}  # sign -> comparison


def claim(registered: Claim, metrics: Mapping[str, Metric]) -> str:
    """A claim as a sentence: `b improves on a (test_accuracy; ...)`."""
    return f"{statement(registered)} ({'; '.join([registered.metric, *qualifiers(registered, metrics)])})"


def qualifiers(registered: Claim, metrics: Mapping[str, Metric]) -> list[str]:
    """A claim's qualifiers beside its metric: slice, margin, the value of a failed run."""
    unit = metrics[registered.metric].unit if registered.metric in metrics else ""
    wording = [f"where {factor} is {level}" for factor, level in registered.where.items()]
    if getattr(registered, "across", "seeds") == "cases":
        wording.append("across cases")
    if size := getattr(registered, "margin", None):
        wording.append(margin(size, unit))
    if registered.failed_counts_as is not None:
        wording.append(f"a failed run counts as {figure(registered.failed_counts_as)}")
    return wording


def short_claim(registered: Claim, named: bool, *further: str) -> str:
    """The claim in short; in brackets its metric (if `named`), its slice and `further` words."""
    wording = [label(registered.metric)] if named else []
    wording += [*(f"{factor} {level}" for factor, level in registered.where.items()), *further]
    return f"{statement(registered)} ({', '.join(wording)})" if wording else statement(registered)


def statement(registered: Claim) -> str:
    """The claim without its qualifiers: `b improves on a`."""
    match registered:
        case ComparisonClaim():
            return comparison(registered)
        case ContrastClaim():
            return contrast(registered)
        case RangeClaim(factor=factor, inside=(low, high)):
            return f"{factor} is best from {figure(low)} to {figure(high)}"
        case DeclineClaim(factor=factor, beyond=beyond):
            return f"the result declines where {factor} is beyond {figure(beyond)}"
        case ProportionClaim(factor=factor, beyond=beyond, dose=dose):
            return f"there is no gain proportional to {label(dose or factor)} where {factor} is beyond {figure(beyond)}"
        case ThresholdClaim(kind=kind, variant=variant, value=value):
            return f"{variant} reaches {kind.replace('_', ' ')} {figure(value)}"


def contrast(registered: ContrastClaim) -> str:
    """`a improves on the mean of b and c` where each side is a variant or a plain mean; otherwise the weighted sum."""
    weights = registered.weights
    above = mean_of({name: weight for name, weight in weights.items() if weight > 0})
    below = mean_of({name: -weight for name, weight in weights.items() if weight < 0})
    if above and below:
        return f"{above} {COMPARISONS[CONTRASTS[registered.sign]][0]} {below}"
    return f"{' '.join(f'{weight:+.10g} × {variant}' for variant, weight in weights.items())} is {registered.sign}"


def mean_of(weights: Mapping[str, float]) -> str | None:
    """The variants whose mean these weights form; None for other sums."""
    if not all(math.isclose(weight * len(weights), 1, abs_tol=1e-9) for weight in weights.values()):
        return None
    return next(iter(weights)) if len(weights) == 1 else f"the mean of {listed(list(weights))}"


def comparison(registered: ComparisonClaim) -> str:
    """The sentence of a comparison; variants compared with the same one share a verb."""
    one, several = COMPARISONS[registered.kind]
    groups: dict[str, list[str]] = {}
    for variant, over in zip(registered.variants, registered.over, strict=True):
        groups.setdefault(over, []).append(variant)
    return ", ".join(f"{listed(group)} {one if len(group) == 1 else several} {over}" for over, group in groups.items())
