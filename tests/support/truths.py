"""Which words of a verdict are false when the true mean of every variant is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.verdicts import Verdict, model
from harness.experiment.claims import Claim, ComparisonClaim, ContrastClaim, DeclineClaim, ProportionClaim, RangeClaim
from harness.experiment.plan import Plan

WORDS = {"supported", "refuted", "equivalent", "inconclusive", "waiting"}
RULES = {"positive": "improves", "negative": "worsens", "negligible": "equivalent"}
MIRRORED = {"worsens": "improves", "no_loss": "no_gain", "at_most": "at_least"}
DIGITS = 9  # of true values: sums of floats that should be equal to a margin are


@dataclass(frozen=True)
class Truth:
    """The true mean of every variant of a plan, higher is better.

    `wrong` says whether a word of a verdict, or of a row of its list, is false. A claim is true at its boundary if its test is
    one-sided: `at_least` if the value is the bound. With `equal`, both words are false there.
    """

    plan: Plan
    means: Mapping[str, float]
    equal: bool = False

    def wrong(self, verdict: Verdict) -> bool:
        """Whether the verdict, or the word of one of its rows, is false. Raises AssertionError for an unknown word."""
        said = [verdict.verdict, *(row.verdict for row in verdict.rows)]
        assert set(said) <= WORDS, said
        rows = list(self.rows(verdict.claim))
        return any(word in false for word, false in zip(said, [joint(rows), *rows], strict=False))

    def found(self, verdict: Verdict) -> bool:
        """Whether the claim is decided, and rightly."""
        return verdict.verdict not in ("inconclusive", "waiting") and not self.wrong(verdict)

    def wrong_note(self, verdict: Verdict) -> bool:
        """Whether a note of a row says something false about the size of its difference, or of a rise."""
        for row, true in zip(verdict.rows, self.differences(verdict.claim), strict=False):
            margin = getattr(verdict.claim, "margin", 0.0)
            false = {
                model.NEGLIGIBLE: true == 0 or abs(true) >= margin,
                model.EXCEEDS: abs(true) <= margin,
                model.NO_GAIN: true >= margin,
                model.NO_LOSS: true <= -margin,
            }
            if any(false.get(note, False) for note in row.notes):
                return True
        rises = any(note.startswith(model.RISES) for note in verdict.notes)
        return rises and isinstance(verdict.claim, DeclineClaim) and max(np.diff(self.doses(verdict.claim)[1])) <= 0

    def differences(self, claim: Claim) -> tuple[float, ...]:
        """The true differences that a comparison is about, one per row; none for other claims."""
        if isinstance(claim, ComparisonClaim):
            pairs = zip(claim.variants, claim.over, strict=True)
            return tuple(round(self.means[one] - self.means[other], DIGITS) for one, other in pairs)
        if isinstance(claim, ContrastClaim):
            return (round(sum(weight * self.means[label] for label, weight in claim.weights.items()), DIGITS),)
        return ()

    def doses(self, claim: DeclineClaim | ProportionClaim | RangeClaim) -> tuple[np.ndarray, np.ndarray]:
        """The doses that the claim is about, increasing, and the true mean of each."""
        numbers = self.plan.factors[claim.factor]
        found = sorted((numbers[own[claim.factor]], self.means[label]) for label, own in self.plan.levels.items())
        doses, means = np.array(found, dtype=float).T
        kept = doses >= (claim.beyond if isinstance(claim, DeclineClaim) else -np.inf)
        return doses[kept], means[kept]

    def rows(self, claim: Claim) -> Iterator[set[str]]:
        """The words that would be false, for each row of the verdict on this claim."""
        if isinstance(claim, ComparisonClaim | ContrastClaim):
            kind = RULES[claim.sign] if isinstance(claim, ContrastClaim) else claim.kind
            for true in self.differences(claim):
                yield false_of_difference(kind, true, claim.margin)
            return
        if isinstance(claim, DeclineClaim):
            doses, means = self.doses(claim)
            decline, steps = -slope(doses, means), np.round(np.diff(means), DIGITS)
            yield self._false(decline <= 0, max(steps) < 0 or (self.equal and max(steps) <= 0))
        elif isinstance(claim, ProportionClaim):
            doses, means = self.doses(claim)
            low, high = doses <= claim.beyond, doses >= claim.beyond
            bend = round(slope(doses[low], means[low]) - slope(doses[high], means[high]), DIGITS)
            yield self._false(bend <= 0, bend >= 0)
        elif isinstance(claim, RangeClaim):
            doses, means = self.doses(claim)
            inside = (doses >= claim.inside[0]) & (doses <= claim.inside[1])
            above = round(float(means[inside].max() - means[~inside].max()) + claim.margin, DIGITS)
            yield self._false(above < 0 or (self.equal and above == 0), above >= 0)
        else:
            above = round(self.means[claim.variant] - claim.value, DIGITS) * (-1 if claim.kind in MIRRORED else 1)
            yield self._false(above < 0 or (self.equal and above == 0), above > 0 or (self.equal and above == 0))

    @staticmethod
    def _false(supported: bool, refuted: bool) -> set[str]:
        return {word for word, false in (("supported", supported), ("refuted", refuted)) if false}


def false_of_difference(kind: str, true: float, margin: float) -> set[str]:
    """The words that are false of a claim of this kind about one difference."""
    if kind in MIRRORED:
        kind, true = MIRRORED[kind], -true
    false = {
        "improves": {"supported": true <= 0, "refuted": true >= 0, "equivalent": abs(true) >= margin},
        "equivalent": {"supported": abs(true) >= margin, "refuted": abs(true) < margin},
        "no_gain": {"supported": true >= margin, "refuted": true <= 0},
    }[kind]
    return {word for word, is_false in false.items() if is_false}


def joint(rows: Sequence[set[str]]) -> set[str]:
    """The words that are false of a list: that all are something if one is not, that any is refuted if none is."""
    return (set.union(*rows) - {"refuted"}) | (set.intersection(*rows) & {"refuted"})


def slope(doses: np.ndarray, means: np.ndarray) -> float:
    """The slope of the least-squares line."""
    centred = doses - doses.mean()
    return round(float(centred @ means / (centred @ centred)), DIGITS)
