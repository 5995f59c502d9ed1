"""Cases of claims about doses and thresholds: one test each, and that of the opposite."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.analysis import statistics
from harness.analysis.statistics import FurtherLook, Hypothesis, Slot
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import MIN_SEEDS, Case, Corrected, Look, Sample
from harness.analysis.verdicts.model import Estimate, Word
from harness.analysis.verdicts.values import Floats, equal
from harness.experiment.claims import DeclineClaim, DoseClaim, ProportionClaim, RangeClaim, ThresholdClaim


@dataclass(frozen=True)
class SingleTest:
    """The test at a look: the statistic, its p value and that of the opposite.

    `by_seed`: the values whose mean it is; None if it is not a mean over seeds.
    """

    n: int
    mean: float
    p: float
    opposite_p: float
    sd: float = nan
    interval: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    by_seed: Floats | None = None


def two_sided(p: float) -> float:
    """The p value of one direction, if either direction is a result."""
    return min(1.0, 2.0 * p)


class SingleCase(Case):
    """A claim with one estimate: its test and that of the opposite are the two sides of one decision."""

    if_both: ClassVar[Word] = "refuted"  # verdict if both the claim and the opposite are significant
    exclusive: ClassVar[bool] = True  # whether they cannot both be, at one look

    def slots(self) -> Mapping[Hashable, Slot]:
        if self.exact:
            return {}
        sides = (Hypothesis(("holds", self), 1.0, "holds"), Hypothesis(("fails", self), 1.0, "fails"))
        return {self: Slot(sides, either=self.exclusive)}

    @property
    @abstractmethod
    def subject(self) -> str:
        """The subject of the estimate."""

    @abstractmethod
    def find(self, n: int, level: float) -> SingleTest:
        """Compute the test with the first `n` seeds; intervals at 1 - `level`."""

    def missing(self, n: int) -> tuple[str, ...]:
        """Why the first `n` seeds cannot be judged."""
        return self.values.missing(self.variants, self.claim.metric, n, self.claim.failed_counts_as)

    def step(self, n: int) -> float:
        """The resolution of the metric with the first `n` seeds."""
        return 0.0 if self.exact else self.values.resolution(self.claim.metric, self.variants, n)

    @abstractmethod
    def holds(self, test: SingleTest) -> bool:
        """Whether the claim is true for a metric without spread."""

    def observe(self, look: Look) -> None:
        self._untestable = self.missing(look.n)
        if self._untestable:
            self._found = SingleTest(look.n, nan, nan, nan)
            return
        self._found = self.find(look.n, look.level)
        if self.exact:
            return
        if look.n < MIN_SEEDS:
            self._untestable = (model.FEW,)
        elif not self.values.varies(self.variants, self.claim.metric, look.n):
            self._untestable = (model.DEGENERATE,)
        else:
            self.series.add(("holds", self), look.n, self._found.p)
            self.series.add(("fails", self), look.n, self._found.opposite_p)

    def rows(self, look: Look, corrected: Corrected) -> list[Estimate]:
        found, p, adjusted, opposite = self._found, nan, nan, nan
        if self._untestable:
            verdict: Word = "inconclusive"
            found = replace(found, notes=self._untestable)
        elif self.exact:
            verdict = "supported" if self.holds(found) else "refuted"
        else:
            p, adjusted, opposite = self.series.p(("holds", self)), corrected.p["holds", self], corrected.p["fails", self]
            # When the correction becomes weaker, an earlier look may decide: only if the current seeds agree.
            shown = adjusted < look.alpha and found.p < 1
            against = opposite < look.alpha and found.opposite_p < 1
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

    def samples(self, n: int) -> list[Sample | None]:
        if self.missing(n) or n < 2:
            return [None]
        by_seed = self.find(n, self.values.terms.alpha).by_seed
        return [None if by_seed is None else Sample(by_seed)]

    def at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:  # noqa: ARG002 - there is one row
        levels = (self.level((side, self), n, corrected.levels) for side in ("holds", "fails"))
        return FurtherLook(n, difference=max(levels))

    def overall_level(self, place: int, corrected: Corrected) -> float:  # noqa: ARG002
        return corrected.levels.get(("holds", self), nan)


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

    def find(self, n: int, level: float) -> SingleTest:
        column = self._column(n)
        found = statistics.threshold(column, self.claim.value, level, self.step(n))
        p, opposite = (found.p_above, found.p_below) if self.claim.kind == "at_least" else (found.p_below, found.p_above)
        return SingleTest(found.n, found.mean, two_sided(p), two_sided(opposite), found.sd, found.ci, by_seed=column)

    def samples(self, n: int) -> list[Sample | None]:
        direction = 1 if self.claim.kind == "at_least" else -1
        return [sample and replace(sample, null=self.claim.value, direction=direction) for sample in super().samples(n)]

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
        return SingleTest(n, float(means[inside].max() - means[~inside].max()), p, opposite)

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
        found = statistics.declines_beyond(self.matrix(n), self.doses, level, self.step(n))
        # It is refuted by a slope or by a rise: half the level for each.
        opposite = min(two_sided(1.0 - found.p), two_sided(float(found.rises.min())))
        rises = [place for place, p in enumerate(found.rises) if p < level / 2]
        notes = tuple(f"{model.RISES}{self.labels[place]} to {self.labels[place + 1]}" for place in rises)
        return SingleTest(n, found.slope, two_sided(found.p), opposite, found.sd, found.ci, notes, found.by_seed)

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

    def find(self, n: int, level: float) -> SingleTest:
        doses = self.measured_doses(n)
        beyond = doses[list(self.doses).index(self.claim.beyond)]
        found = statistics.no_proportional_gain(self.matrix(n), doses, beyond, level, self.step(n))
        p, opposite = two_sided(found.p), two_sided(1.0 - found.p)
        return SingleTest(n, found.mean, p, opposite, found.sd, found.ci, by_seed=found.by_seed)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0
