"""Cases of claims with one test and that of the opposite, and the claims about a threshold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan, nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.analysis import statistics
from harness.analysis.statistics import FurtherLook, Hypothesis, Slot
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import MIN_SEEDS, Case, Corrected, Look, Sample
from harness.analysis.verdicts.model import CaseFacts, Estimate, Word
from harness.analysis.verdicts.replicates import OverCases, few, too_few
from harness.analysis.verdicts.values import Floats, equal
from harness.experiment.claims import ThresholdClaim


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
    cases: CaseFacts | None = None


def two_sided(p: float) -> float:
    """The p value of one direction, if either direction is a result."""
    return nan if isnan(p) else min(1.0, 2.0 * p)


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

    def exist(self, n: int) -> NDArray[np.bool_]:
        """Which of the first `n` seeds [seed] all its variants have a run with."""
        return self.values.exist(self.variants, n)

    def step(self, n: int) -> float:
        """The resolution of the metric with the first `n` seeds."""
        return 0.0 if self.exact else self.values.resolution(self.claim.metric, self.variants, n)

    def unable(self, n: int) -> tuple[str, ...]:
        """Why the values of the first `n` seeds, none of which is missing, cannot be tested."""
        if self._found.n < MIN_SEEDS:
            return too_few(self.values, self.variants, self._found.n)
        return () if self.values.varies(self.variants, self.claim.metric, n) else (model.DEGENERATE,)

    @abstractmethod
    def holds(self, test: SingleTest) -> bool:
        """Whether the claim is true for a metric without spread."""

    def observe(self, look: Look) -> None:
        seeds = self.values.least(self.variants, look.n)
        self._untestable = self.missing(look.n) or (() if seeds else too_few(self.values, self.variants, 0))
        if self._untestable:
            lost = CaseFacts(0, seeds, None, exact=False) if self.across == "cases" else None
            self._found = SingleTest(seeds if lost is None else 0, nan, nan, nan, cases=lost)
            return
        self._found = self.find(look.n, look.level)
        if self.exact:
            return
        self._untestable = self.unable(look.n)
        if not self._untestable:
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
                cases=found.cases,
                absent=self.values.absent(self.variants, look.n),
            )
        ]

    def samples(self, n: int) -> list[Sample | None]:
        if self.missing(n) or self.values.least(self.variants, n) < 2 or self.values.terms.unpaired:
            return [None]
        by_seed = self.find(n, self.values.terms.alpha).by_seed
        return [None if by_seed is None else Sample(by_seed, self.values.common_seeds(self.variants, n))]

    def at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:  # noqa: ARG002 - there is one row
        levels = (self.level((side, self), n, corrected.levels) for side in ("holds", "fails"))
        return FurtherLook(n, difference=max(levels))

    def deciding_level(self, word: Word, corrected: Corrected) -> float:
        return corrected.levels.get(("fails" if word == "refuted" else "holds", self), nan)


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
        return self.values.mean(equal(self.variants), self.claim.metric, n, self.claim.failed_counts_as)[self.exist(n)]

    @cached_property
    def over_cases(self) -> OverCases:
        """The tests of a claim across cases."""
        return OverCases(self.values)

    def missing(self, n: int) -> tuple[str, ...]:
        lost = super().missing(n)
        if lost or self.across == "seeds":
            return lost
        return self.over_cases.problems(self.variants, self.claim.metric, n)

    def unable(self, n: int) -> tuple[str, ...]:
        if self.across == "seeds":
            return super().unable(n)
        cases = self._found.cases
        return few(cases.n, cases.groups) if cases is not None and isnan(self._found.p) else ()

    def _find_over_cases(self, n: int, level: float) -> SingleTest:
        found = self.over_cases.mean(equal(self.variants), self.claim.metric, n, self.claim.value, level)
        p, opposite = (found.p_above, found.p_below) if self.claim.kind == "at_least" else (found.p_below, found.p_above)
        facts = CaseFacts(found.n, found.seeds, found.groups, found.exact)
        return SingleTest(found.n, found.mean, two_sided(p), two_sided(opposite), found.sd, found.ci, cases=facts)

    def find(self, n: int, level: float) -> SingleTest:
        if self.across == "cases":
            return self._find_over_cases(n, level)
        column = None
        if self.values.terms.unpaired:
            samples = self.values.samples(equal(self.variants), self.claim.metric, n, self.claim.failed_counts_as)
            found = statistics.unpaired_threshold(*samples, self.claim.value, level, self.step(n))
        else:
            column = self._column(n)
            found = statistics.threshold(column, self.claim.value, level, self.step(n))
        p, opposite = (found.p_above, found.p_below) if self.claim.kind == "at_least" else (found.p_below, found.p_above)
        return SingleTest(found.n, found.mean, two_sided(p), two_sided(opposite), found.sd, found.ci, by_seed=column)

    def samples(self, n: int) -> list[Sample | None]:
        if self.across == "cases":
            return [None]
        direction = 1 if self.claim.kind == "at_least" else -1
        return [sample and replace(sample, null=self.claim.value, direction=direction) for sample in super().samples(n)]

    def holds(self, test: SingleTest) -> bool:
        return test.mean >= self.claim.value if self.claim.kind == "at_least" else test.mean <= self.claim.value
