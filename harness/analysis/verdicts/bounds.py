"""Cases of bounds on several variants."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from math import inf, isnan

from numpy import fmin

from harness.analysis.statistics import FurtherLook, Hypothesis, Slot
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import SECOND, Corrected, Look, undecidable
from harness.analysis.verdicts.comparisons import ComparisonCase
from harness.analysis.verdicts.model import Estimate, Word
from harness.analysis.verdicts.values import Difference


class BoundListCase(ComparisonCase):
    """A bound on several variants: an intersection-union test, which all must pass together, and one test for each variant.

    The hypothesis of the joint test is that some θ >= δ: the largest p value of `below` counts.
    """

    def supporting(self, difference: Difference) -> Hashable:  # noqa: ARG002 - one for all
        return ("all below", self.compared, self.claim.margin, self.direction)

    @property
    def together(self) -> int:
        return len(self.compared)

    def slots(self) -> Mapping[Hashable, Slot]:
        if self.exact:
            return {}
        joint = self.supporting(self.compared[0])
        return {joint: Slot((Hypothesis(joint, 1.0),)), **{self._about(each): self._slot(each) for each in self.compared}}

    def _about(self, difference: Difference) -> Hashable:
        return ("own word", difference, self.claim.margin, self.direction)

    def _slot(self, difference: Difference) -> Slot:
        """The two words that may be said of one variant, that it gains or stays below the bound: at most one is false."""
        weight = SECOND / len(self.compared)
        above = Hypothesis(self.key("above", difference), weight, "small")
        below = Hypothesis(self.key("below", difference), weight, "large")
        return Slot((above, below))

    def observe(self, look: Look) -> None:
        below = [self._observe(difference, look) for difference in self.compared]
        largest = max(below, key=lambda p: inf if isnan(p) else p)
        self.series.add(self.supporting(self.compared[0]), look.n, largest, one_sided=True)

    def rows(self, look: Look, corrected: Corrected) -> list[Estimate]:
        found = super().rows(look, corrected)
        if not self.exact:
            own = [corrected.p[self.key("below", difference)] for difference in self.compared]
            found = [
                replace(row, p_equivalence=fmin(row.p_equivalence, p)) if row.verdict == "supported" else row
                for row, p in zip(found, own, strict=True)
            ]
        # More seeds cannot support a list that is refuted, and where one variant holds the list up, the others need none.
        refuted = any(row.verdict == "refuted" for row in found)
        within = [row.verdict == "supported" or model.ALONE in row.notes for row in found]
        return [
            replace(row, seeds_needed=None) if refuted or (own and not all(within)) else row
            for row, own in zip(found, within, strict=True)
        ]

    def _decide(self, difference: Difference, look: Look, corrected: Corrected) -> tuple[Word, tuple[str, ...]]:
        claimed, within = self.direction * self._seen[difference].mean, self._within(difference, look)
        small, shown = claimed < self.claim.margin, self._shown(difference, look, corrected)
        if small and ("below" in shown or self._together(corrected, look.alpha)):
            return "supported", ()
        if "above" in shown and claimed > 0 and not within:
            return "refuted", ()
        return "inconclusive", (model.ALONE,) if small and within else ()

    def _together(self, corrected: Corrected, alpha: float) -> bool:
        """Whether all are shown to be below the bound by the joint test."""
        return corrected.p[self.supporting(self.compared[0])] < alpha

    def told_at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:
        found = self.at(place, n, corrected)
        if self._together(corrected, self.values.terms.alpha):
            return found
        return replace(found, below=self.level(self.key("below", self.compared[place]), n, corrected.levels, one_sided=True))

    def settled(self, rows: Sequence[Estimate], look: Look) -> list[bool]:
        found = super().settled(rows, look)
        if any(map(undecidable, rows)):
            # The list cannot be supported any more, only refuted: it is closed once no variant can do that.
            over = [each or self._within(difference, look) for each, difference in zip(found, self.compared, strict=True)]
            return over if all(over) else found
        return found
