"""Claims about doses and thresholds -> their cases: one test each, with that of its contrary."""

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
from harness.analysis.verdicts.cases import LEAST_SEEDS, Case, Families, Stage
from harness.analysis.verdicts.model import Estimate, Word
from harness.analysis.verdicts.values import Floats, equal
from harness.experiment.claims import DeclineClaim, DoseClaim, ProportionClaim, RangeClaim, ThresholdClaim


@dataclass(frozen=True)
class SingleTest:
    """What a look says: the number tested, its p value and that of the contrary (NaN: it has no such test); and whether the
    contrary shows otherwise."""

    n: int
    mean: float
    p: float
    contrary_p: float
    sd: float = nan
    interval: tuple[float, float] | None = None
    contrary: bool = False
    notes: tuple[str, ...] = ()


class SingleCase(Case):
    """A claim with one estimate, in the family of all that is no comparison of variants."""

    first: ClassVar[Word] = "refuted"  # what it is where both the claim and a contrary are shown

    @property
    def others(self) -> bool:
        return not self.exact

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the estimate is of."""

    @abstractmethod
    def find(self, stage: Stage) -> SingleTest:
        """The test at a look, whatever the guards say."""

    def troubles(self, n: int) -> tuple[str, ...]:
        """What keeps the first `n` seeds from being judged."""
        return self.values.troubles(self.variants, self.claim.metric, n, self.claim.failed_counts_as)

    @abstractmethod
    def spread(self, n: int) -> float:
        """The standard deviation over seeds that must not vanish."""

    @abstractmethod
    def holds(self, test: SingleTest) -> bool:
        """Of a metric without spread: whether the claim is true."""

    def observe(self, stage: Stage) -> None:
        claim = self.claim
        self._why_not = self.troubles(stage.n)
        if self._why_not:
            self._found = SingleTest(stage.n, nan, nan, nan)
            return
        self._found = self.find(stage)
        if self.exact:
            return
        if stage.n < LEAST_SEEDS:
            self._why_not = (model.FEW,)
        elif (spread := self.spread(stage.n)) == 0 or spread < self.values.least_spread(claim.metric):
            self._why_not = (model.DEGENERATE,)
        else:
            self.series.add(self, stage.n, self._found.p)
            self.series.add(("contrary", self), stage.n, self._found.contrary_p)

    def rows(self, stage: Stage, families: Families) -> list[Estimate]:
        found, p, adjusted, contrary = self._found, nan, nan, nan
        if self._why_not:
            verdict: Word = "inconclusive"
            found = replace(found, notes=self._why_not)
        elif self.exact:
            verdict = "supported" if self.holds(found) else "refuted"
        else:
            p, adjusted, contrary = self.series.one_sided(self), families.others[self], families.contraries[self]
            # A correction that eases may let an earlier look decide: only if what is seen now points the same way.
            shown = adjusted < stage.alpha and found.p < 0.5
            against = found.contrary or (contrary < stage.alpha and found.contrary_p < 0.5)
            verdict = "refuted" if against else "supported" if shown else "inconclusive"
            verdict = self.first if shown and against else verdict
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
                level=stage.level,
                p=p,
                p_adjusted=adjusted,
                p_equivalence=nan,
                p_contrary=contrary,
                rho=nan,
                seeds_needed=None,
            )
        ]


class ThresholdCase(SingleCase):
    """A variant's metric against a number, in the metric's own direction."""

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

    def find(self, stage: Stage) -> SingleTest:
        found = statistics.threshold(self._column(stage.n), self.claim.value, stage.level)
        p, contrary = (found.p_above, found.p_below) if self.claim.kind == "at_least" else (found.p_below, found.p_above)
        return SingleTest(found.n, found.mean, p, contrary, found.sd, found.ci)

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= self.claim.value if self.claim.kind == "at_least" else test.mean <= self.claim.value


class DoseCase(SingleCase):
    """A claim about the levels of a factor, which are numbers."""

    claim: DoseClaim

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """The levels that the claim is about, by increasing dose, with the variants of each."""
        return self.values.doses(self.claim)

    @property
    def having(self) -> tuple[tuple[str, ...], ...]:
        """The variants of each dose, by increasing dose."""
        return tuple(self.levels.values())

    @property
    def labels(self) -> tuple[str, ...]:
        """The levels' labels, by increasing dose."""
        return tuple(self.levels)

    @cached_property
    def doses(self) -> Floats:
        """The levels' numbers, increasing."""
        levels = self.values.terms.factors[self.claim.factor]
        return np.array([levels[label] for label in self.labels], dtype=float)

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variant for variants in self.having for variant in variants))

    @property
    def subject(self) -> str:
        return self.claim.factor

    def matrix(self, n: int) -> Floats:
        """The metric [seed, dose], oriented: more is better."""
        claim = self.claim
        columns = [self.values.mean(equal(variants), claim.metric, n, claim.failed_counts_as) for variants in self.having]
        return self.values.sign(claim.metric) * np.stack(columns, axis=1)

    def spread(self, n: int) -> float:
        """The least of any dose's values but one.

        A dose at which training collapses (10.00 % of ten classes, whatever the seed) leaves its differences from the others
        their spread; two such doses do not.
        """
        return float(np.sort(self.matrix(n).std(axis=0, ddof=1))[1])


class RangeCase(DoseCase):
    """The best dose inside a range is at least the best outside, minus the margin."""

    claim: RangeClaim
    first = "supported"  # a dose outside may well be better, by less than the margin

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which doses lie in the range [dose]."""
        low, high = self.claim.inside
        return (self.doses >= low) & (self.doses <= high)

    def find(self, stage: Stage) -> SingleTest:
        values, inside = self.matrix(stage.n), self.inside
        means = values.mean(axis=0)
        p = statistics.best_in_range(values, inside, self.claim.margin)
        self._optima = statistics.possible_optima(values, stage.level)
        # Whether a dose outside beats every one inside by more than the margin, so that the claim can be true of none of them.
        lost = not bool((statistics.possible_optima(values + self.claim.margin * inside, stage.level) & inside).any())
        return SingleTest(stage.n, float(means[inside].max() - means[~inside].max()), float(p), nan, contrary=lost)

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= -self.claim.margin

    def optima(self) -> tuple[str, ...]:
        return () if self._why_not else tuple(label for label, kept in zip(self.labels, self._optima, strict=True) if kept)


class DeclineCase(DoseCase):
    """The metric gets worse from a dose on."""

    claim: DeclineClaim

    @cached_property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """Those at and beyond the knee: what becomes of the others' runs is nothing to the claim."""
        found, numbers = self.values.doses(self.claim), self.values.terms.factors[self.claim.factor]
        kept = np.array([numbers[label] for label in found], dtype=float) >= self.claim.beyond
        return {label: having for (label, having), keep in zip(found.items(), kept, strict=True) if keep}

    def find(self, stage: Stage) -> SingleTest:
        found = statistics.declines_beyond(self.matrix(stage.n), self.doses, stage.level)
        rises = [place for place, p in enumerate(found.rises) if p < stage.level]
        notes = tuple(f"{model.RISES}{self.labels[place]} to {self.labels[place + 1]}" for place in rises)
        return SingleTest(stage.n, found.slope, found.p, 1.0 - found.p, found.sd, found.ci, contrary=bool(rises), notes=notes)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0 and not test.notes


class ProportionCase(DoseCase):
    """The gain for each unit of dose is smaller from a dose on."""

    claim: ProportionClaim

    def troubles(self, n: int) -> tuple[str, ...]:
        found, dose = super().troubles(n), self.claim.dose
        if dose is not None:
            found += self.values.troubles(self.variants, dose, n, None)
            if not found and bool((np.diff(self.taken(n)) <= 0).any()):
                found = (f"{dose}{model.NO_DOSE}{self.claim.factor}",)
        return found

    def taken(self, n: int) -> Floats:
        """The dose that each level comes to: its number, or the mean of what its runs have of `dose`."""
        if self.claim.dose is None:
            return self.doses
        measured = [self.values.mean(equal(variants), self.claim.dose, n) for variants in self.having]
        means: Floats = np.stack(measured, axis=1).mean(axis=0)
        return means

    def find(self, stage: Stage) -> SingleTest:
        doses = self.taken(stage.n)
        beyond = doses[list(self.doses).index(self.claim.beyond)]
        found = statistics.no_proportional_gain(self.matrix(stage.n), doses, beyond, stage.level)
        return SingleTest(stage.n, found.mean, found.p, 1.0 - found.p, found.sd, found.ci)

    def holds(self, test: SingleTest) -> bool:
        return test.mean > 0
