"""Cases of claims about the levels of a numeric factor (doses)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.analysis import statistics
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import Corrected, Look
from harness.analysis.verdicts.singles import SingleCase, SingleTest, two_sided
from harness.analysis.verdicts.values import Floats, equal
from harness.experiment.claims import DeclineClaim, DoseClaim, ProportionClaim, RangeClaim


class DoseCase(SingleCase):
    """A claim about the levels of a numeric factor."""

    claim: DoseClaim

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """The levels in the claim, by increasing dose -> their variants."""
        return self.values.doses(self.claim)

    @property
    def variants_by_dose(self) -> tuple[tuple[str, ...], ...]:
        """The variants of each dose, by increasing dose."""
        return tuple(self.levels.values())

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the levels, by increasing dose."""
        return tuple(self.levels)

    @cached_property
    def doses(self) -> Floats:
        """The numbers of the levels, increasing."""
        levels = self.values.terms.factors[self.claim.factor]
        return np.array([levels[label] for label in self.labels], dtype=float)

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variant for variants in self.variants_by_dose for variant in variants))

    @property
    def subject(self) -> str:
        return self.claim.factor

    def matrix(self, n: int) -> Floats:
        """The metric [seed, dose], oriented: higher is better."""
        claim = self.claim
        columns = [
            self.values.mean(equal(variants), claim.metric, n, claim.failed_counts_as) for variants in self.variants_by_dose
        ]
        return self.values.sign(claim.metric) * np.stack(columns, axis=1)[self.exist(n)]


class RangeCase(DoseCase):
    """The best dose inside a range is at least the best outside, minus the margin."""

    claim: RangeClaim
    if_both = "supported"  # a dose outside may be better by less than the margin

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which doses lie in the range [dose]."""
        low, high = self.claim.inside
        return (self.doses >= low) & (self.doses <= high)

    def find(self, n: int, level: float) -> SingleTest:
        values, inside, step = self.matrix(n), self.inside, self.step(n)
        means = values.mean(axis=0)
        self._optima = statistics.possible_optima(values, level, step)
        # The claim holds or fails: only one of the two tests can err, and neither p value is doubled.
        p = statistics.best_in_range(values, inside, self.claim.margin, step)
        opposite = statistics.best_outside_range(values, inside, self.claim.margin, step)
        return SingleTest(len(values), float(means[inside].max() - means[~inside].max()), p, opposite)

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= -self.claim.margin

    def likely(self, place: int, look: Look, corrected: Corrected) -> float:  # noqa: ARG002 - there is one row
        further = [
            (n, self.level(("holds", self), n, corrected.levels), self.level(("fails", self), n, corrected.levels))
            for n in self.series.after(look.n)
        ]
        return statistics.predictive_best_in_range(self.matrix(look.n), self.inside, self.claim.margin, further)

    def optima(self) -> tuple[str, ...]:
        return () if self._untestable else tuple(label for label, kept in zip(self.labels, self._optima, strict=True) if kept)


class DeclineCase(DoseCase):
    """The metric gets worse beyond a dose."""

    claim: DeclineClaim
    exclusive = False  # after a decline was found, a single rise may still refute the claim

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """The levels at and beyond the knee; runs of the others do not matter."""
        found, numbers = self.values.doses(self.claim), self.values.terms.factors[self.claim.factor]
        kept = np.array([numbers[label] for label in found], dtype=float) >= self.claim.beyond
        return {label: variants for (label, variants), keep in zip(found.items(), kept, strict=True) if keep}

    def find(self, n: int, level: float) -> SingleTest:
        values = self.matrix(n)
        found = statistics.declines_beyond(values, self.doses, level, self.step(n))
        # It is refuted by a slope or by a rise: half the level for each.
        opposite = min(two_sided(1.0 - found.p), two_sided(float(found.rises.min())))
        rises = [place for place, p in enumerate(found.rises) if p < level / 2]
        notes = tuple(f"{model.RISES}{self.labels[place]} to {self.labels[place + 1]}" for place in rises)
        return SingleTest(len(values), found.slope, two_sided(found.p), opposite, found.sd, found.ci, notes, found.by_seed)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0 and not test.notes


class ProportionCase(DoseCase):
    """The gain per unit of dose is smaller beyond a dose."""

    claim: ProportionClaim

    def missing(self, n: int) -> tuple[str, ...]:
        found, dose = super().missing(n), self.claim.dose
        if dose is not None:
            found += self.values.missing(self.variants, dose, n, None)
            if not found and self.values.least(self.variants, n) and bool((np.diff(self.measured_doses(n)) <= 0).any()):
                found = (f"{dose}{model.NO_DOSE}{self.claim.factor}",)
        return found

    def measured_doses(self, n: int) -> Floats:
        """The dose of each level: its number, or the mean of the metric `dose` over its runs."""
        if self.claim.dose is None:
            return self.doses
        measured = [self.values.mean(equal(variants), self.claim.dose, n) for variants in self.variants_by_dose]
        means: Floats = np.stack(measured, axis=1)[self.exist(n)].mean(axis=0)
        return means

    def find(self, n: int, level: float) -> SingleTest:
        values, doses = self.matrix(n), self.measured_doses(n)
        beyond = doses[list(self.doses).index(self.claim.beyond)]
        found = statistics.no_proportional_gain(values, doses, beyond, level, self.step(n))
        p, opposite = two_sided(found.p), two_sided(1.0 - found.p)
        return SingleTest(len(values), found.mean, p, opposite, found.sd, found.ci, by_seed=found.by_seed)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0
