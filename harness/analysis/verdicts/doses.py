"""Cases of claims about doses and thresholds: one test each, and the test of the opposite."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.analysis import statistics
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import MIN_SEEDS, Case, Families, Look
from harness.analysis.verdicts.model import Estimate, Word
from harness.analysis.verdicts.values import Floats, equal
from harness.experiment.claims import DeclineClaim, DoseClaim, ProportionClaim, RangeClaim, ThresholdClaim


@dataclass(frozen=True)
class SingleTest:
    """The test at a look: the statistic, its p value, that of the opposite (NaN: no such test), and whether the opposite is shown
    by other means."""

    n: int
    mean: float
    p: float
    opposite_p: float
    sd: float = nan
    interval: tuple[float, float] | None = None
    opposite: bool = False
    notes: tuple[str, ...] = ()


class SingleCase(Case):
    """A claim with one estimate, in the family of tests that are not comparisons of variants."""

    if_both: ClassVar[Word] = "refuted"  # verdict if both the claim and the opposite are significant

    @property
    def others(self) -> bool:
        return not self.exact

    @property
    @abstractmethod
    def subject(self) -> str:
        """The subject of the estimate."""

    @abstractmethod
    def find(self, look: Look) -> SingleTest:
        """Compute the test at a look."""

    def missing(self, n: int) -> tuple[str, ...]:
        """Why the first `n` seeds cannot be judged."""
        return self.values.missing(self.variants, self.claim.metric, n, self.claim.failed_counts_as)

    @abstractmethod
    def spread(self, n: int) -> float:
        """The standard deviation over seeds, which must not be 0."""

    @abstractmethod
    def holds(self, test: SingleTest) -> bool:
        """Whether the claim is true for a metric without spread."""

    def observe(self, look: Look) -> None:
        claim = self.claim
        self._untestable = self.missing(look.n)
        if self._untestable:
            self._found = SingleTest(look.n, nan, nan, nan)
            return
        self._found = self.find(look)
        if self.exact:
            return
        if look.n < MIN_SEEDS:
            self._untestable = (model.FEW,)
        elif (spread := self.spread(look.n)) == 0 or spread < self.values.least_spread(claim.metric):
            self._untestable = (model.DEGENERATE,)
        else:
            self.series.add(self, look.n, self._found.p)
            self.series.add(("contrary", self), look.n, self._found.opposite_p)

    def rows(self, look: Look, families: Families) -> list[Estimate]:
        found, p, adjusted, opposite = self._found, nan, nan, nan
        if self._untestable:
            verdict: Word = "inconclusive"
            found = replace(found, notes=self._untestable)
        elif self.exact:
            verdict = "supported" if self.holds(found) else "refuted"
        else:
            p, adjusted, opposite = self.series.one_sided(self), families.others[self], families.contraries[self]
            # When the correction becomes weaker, an earlier look may decide: only if the current seeds agree.
            shown = adjusted < look.alpha and found.p < 0.5
            against = found.opposite or (opposite < look.alpha and found.opposite_p < 0.5)
            verdict = "refuted" if against else "supported" if shown else "inconclusive"
            verdict = self.if_both if shown and against else verdict
        return [
            Estimate(
                subject=self.subject,
                over=None,
                verdict=verdict,
                notes=found.notes,
                n=found.n,
                mean=found.mean,
                sd=found.sd,
                interval=None if self.exact else found.interval,
                level=look.level,
                p=p,
                p_adjusted=adjusted,
                p_equivalence=nan,
                p_contrary=opposite,
                rho=nan,
                seeds_needed=None,
            )
        ]


class ThresholdCase(SingleCase):
    """The metric of a variant compared with a number; not oriented."""

    claim: ThresholdClaim

    @property
    def variants(self) -> tuple[str, ...]:
        return self.values.variants(self.claim.variant, self.claim.where)

    @property
    def subject(self) -> str:
        return self.claim.variant

    def _column(self, n: int) -> Floats:
        return self.values.mean(equal(self.variants), self.claim.metric, n, self.claim.failed_counts_as)

    def spread(self, n: int) -> float:
        return float(self._column(n).std(ddof=1))

    def find(self, look: Look) -> SingleTest:
        found = statistics.threshold(self._column(look.n), self.claim.value, look.level)
        p, opposite = (found.p_above, found.p_below) if self.claim.kind == "at_least" else (found.p_below, found.p_above)
        return SingleTest(found.n, found.mean, p, opposite, found.sd, found.ci)

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= self.claim.value if self.claim.kind == "at_least" else test.mean <= self.claim.value


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
        return self.values.sign(claim.metric) * np.stack(columns, axis=1)

    def spread(self, n: int) -> float:
        """The second lowest standard deviation of any dose.

        One dose at which training collapses (10.00 % with ten classes, for every seed) still has differences from the others
        with spread; two such doses do not.
        """
        return float(np.sort(self.matrix(n).std(axis=0, ddof=1))[1])


class RangeCase(DoseCase):
    """The best dose inside a range is at least the best outside, minus the margin."""

    claim: RangeClaim
    if_both = "supported"  # a dose outside may be better by less than the margin

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which doses lie in the range [dose]."""
        low, high = self.claim.inside
        return (self.doses >= low) & (self.doses <= high)

    def find(self, look: Look) -> SingleTest:
        values, inside = self.matrix(look.n), self.inside
        means = values.mean(axis=0)
        p = statistics.best_in_range(values, inside, self.claim.margin)
        self._optima = statistics.possible_optima(values, look.level)
        # Whether for every dose inside, one outside is better by more than the margin: then the claim is false.
        lost = not bool((statistics.possible_optima(values + self.claim.margin * inside, look.level) & inside).any())
        return SingleTest(look.n, float(means[inside].max() - means[~inside].max()), float(p), nan, opposite=lost)

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= -self.claim.margin

    def optima(self) -> tuple[str, ...]:
        return () if self._untestable else tuple(label for label, kept in zip(self.labels, self._optima, strict=True) if kept)


class DeclineCase(DoseCase):
    """The metric gets worse beyond a dose."""

    claim: DeclineClaim

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """The levels at and beyond the knee; runs of the others do not matter."""
        found, numbers = self.values.doses(self.claim), self.values.terms.factors[self.claim.factor]
        kept = np.array([numbers[label] for label in found], dtype=float) >= self.claim.beyond
        return {label: variants for (label, variants), keep in zip(found.items(), kept, strict=True) if keep}

    def find(self, look: Look) -> SingleTest:
        found = statistics.declines_beyond(self.matrix(look.n), self.doses, look.level)
        rises = [place for place, p in enumerate(found.rises) if p < look.level]
        notes = tuple(f"{model.RISES}{self.labels[place]} to {self.labels[place + 1]}" for place in rises)
        return SingleTest(look.n, found.slope, found.p, 1.0 - found.p, found.sd, found.ci, opposite=bool(rises), notes=notes)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0 and not test.notes


class ProportionCase(DoseCase):
    """The gain per unit of dose is smaller beyond a dose."""

    claim: ProportionClaim

    def missing(self, n: int) -> tuple[str, ...]:
        found, dose = super().missing(n), self.claim.dose
        if dose is not None:
            found += self.values.missing(self.variants, dose, n, None)
            if not found and bool((np.diff(self.measured_doses(n)) <= 0).any()):
                found = (f"{dose}{model.NO_DOSE}{self.claim.factor}",)
        return found

    def measured_doses(self, n: int) -> Floats:
        """The dose of each level: its number, or the mean of the metric `dose` over its runs."""
        if self.claim.dose is None:
            return self.doses
        measured = [self.values.mean(equal(variants), self.claim.dose, n) for variants in self.variants_by_dose]
        means: Floats = np.stack(measured, axis=1).mean(axis=0)
        return means

    def find(self, look: Look) -> SingleTest:
        doses = self.measured_doses(look.n)
        beyond = doses[list(self.doses).index(self.claim.beyond)]
        found = statistics.no_proportional_gain(self.matrix(look.n), doses, beyond, look.level)
        return SingleTest(look.n, found.mean, found.p, 1.0 - found.p, found.sd, found.ci)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0
