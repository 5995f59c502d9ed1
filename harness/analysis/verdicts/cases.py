"""A claim -> its case: the tests that it needs, and what they say of it at a look.

Every case adds its p values to the series as looks come in (`observe`); the families of all cases are corrected together; then
`rows` gives the claim's estimates and `word` what they say together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan, nan
from typing import Literal

import numpy as np

from harness.analysis import statistics
from harness.analysis.verdicts import model
from harness.analysis.verdicts.model import Estimate, Word
from harness.analysis.verdicts.series import Series
from harness.analysis.verdicts.values import Difference, Values, equal
from harness.experiment.claims import Claim, ComparisonClaim, ContrastClaim

LEAST_SEEDS = 3

# What a comparison asks: a direction, that there is no difference, or a bound on it; and whether more is claimed, or less.
Rule = Literal["direction", "equivalence", "bound"]
RULES: Mapping[str, tuple[Rule, int]] = {
    "improves": ("direction", 1),
    "worsens": ("direction", -1),
    "equivalent": ("equivalence", 1),
    "no_gain": ("bound", 1),
    "no_loss": ("bound", -1),
    "positive": ("direction", 1),
    "negative": ("direction", -1),
    "negligible": ("equivalence", 1),
}


@dataclass(frozen=True)
class Families:
    """Adjusted p values at a look, by test: differences, equivalences, and all else with the tests of its contrary."""

    differences: Mapping[Difference, float]
    equivalences: Mapping[tuple[Difference, float], float]
    others: Mapping[Case, float]
    contraries: Mapping[Case, float]


@dataclass(frozen=True)
class Stage:
    """A look: its seeds, the level of its intervals, and alpha of the whole."""

    n: int
    level: float
    alpha: float


class Case(ABC):
    """One claim before the runs."""

    def __init__(self, claim: Claim, values: Values, series: Series) -> None:
        self.claim, self.values, self.series = claim, values, series
        self.exact = values.terms.metrics[claim.metric].exact

    @property
    @abstractmethod
    def variants(self) -> tuple[str, ...]:
        """Every variant that the claim is about."""

    @property
    def compared(self) -> tuple[Difference, ...]:
        """The differences that it is about, tested or not."""
        return ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Its members of the family of differences."""
        return () if self.exact else self.compared

    @property
    def equivalences(self) -> tuple[tuple[Difference, float], ...]:
        """Its members of the family of equivalences: with their margins."""
        return ()

    @property
    def others(self) -> bool:
        """Whether it is a member of the family of all else."""
        return False

    @abstractmethod
    def observe(self, stage: Stage) -> None:
        """Take in what a look brings."""

    @abstractmethod
    def rows(self, stage: Stage, families: Families) -> list[Estimate]:
        """The estimates at the look observed last."""

    def word(self, rows: Sequence[Estimate]) -> Word:
        """What the rows say together."""
        return rows[0].verdict

    def optima(self) -> tuple[str, ...]:
        """Levels that may be the best, where that is the question."""
        return ()


class ComparisonCase(Case):
    """Variants against others, or a contrast of several."""

    claim: ComparisonClaim | ContrastClaim

    def __init__(self, claim: ComparisonClaim | ContrastClaim, values: Values, series: Series) -> None:
        super().__init__(claim, values, series)
        if isinstance(claim, ContrastClaim):
            self.rule, self.direction = RULES[claim.sign]
            weights = self._weights(claim)
            subject = " ".join(f"{weight:+.10g} × {label}" for label, weight in claim.weights.items())
            self._compared: tuple[Difference, ...] = (
                Difference(subject, None, weights, (), claim.metric, claim.failed_counts_as),
            )
        else:
            self.rule, self.direction = RULES[claim.kind]
            make = partial(values.difference, metric=claim.metric, where=claim.where, failed_counts_as=claim.failed_counts_as)
            self._compared = tuple(make(label, over) for label, over in zip(claim.variants, claim.over, strict=True))
        self._seen: dict[Difference, statistics.Paired] = {}
        self._means: dict[tuple[Difference, int], float] = {}

    def _weights(self, claim: ContrastClaim) -> tuple[tuple[str, float], ...]:
        """Weights by variant: a label that stands for several shares its weight out."""
        total: dict[str, float] = {}
        for label, weight in claim.weights.items():
            for variant, share in equal(self.values.variants(label, claim.where)):
                total[variant] = total.get(variant, 0.0) + weight * share
        return tuple(total.items())

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variant for difference in self.compared for variant in difference.variants))

    @property
    def compared(self) -> tuple[Difference, ...]:
        return self._compared

    @property
    def equivalences(self) -> tuple[tuple[Difference, float], ...]:
        return () if self.exact or self.rule == "bound" else tuple((each, self.claim.margin) for each in self.compared)

    def observe(self, stage: Stage) -> None:
        for difference in self.compared:
            one, other = self.values.sides(difference, stage.n)
            both = ~np.isnan(one - other)
            found = statistics.paired(one[both], other[both], self.claim.margin, self.values.terms.alpha, stage.level)
            self._seen[difference], self._means[difference, stage.n] = found, found.mean
            if self._why_not(difference, stage.n):
                continue
            mirrored = statistics.paired(-one, -other, self.claim.margin, self.values.terms.alpha, stage.level)
            bound = found if self.direction > 0 else mirrored
            self.series.add(("difference", difference), stage.n, found.p)
            self.series.add(("equivalence", difference, self.claim.margin), stage.n, found.p_tost)
            self.series.add(self._bound(difference), stage.n, bound.p_nogain)

    def _bound(self, difference: Difference) -> Hashable:
        return ("bound", difference, self.claim.margin, self.direction)

    def _why_not(self, difference: Difference, n: int) -> tuple[str, ...]:
        """Why there is no test of it; empty where there is one."""
        troubles = self.values.troubles(difference.variants, difference.metric, n, difference.failed_counts_as)
        if troubles:
            return troubles
        if self.exact:
            return ()
        if n < LEAST_SEEDS:
            return (model.FEW,)
        sd = self._seen[difference].sd
        return (model.DEGENERATE,) if sd == 0 or sd < self.values.least_spread(difference.metric) else ()

    def rows(self, stage: Stage, families: Families) -> list[Estimate]:
        return [self._row(difference, stage, families) for difference in self.compared]

    def _row(self, difference: Difference, stage: Stage, families: Families) -> Estimate:
        found, why_not = self._seen[difference], self._why_not(difference, stage.n)
        p = q = raw = nan
        verdict: Word = "inconclusive"
        notes, needed = why_not, None
        if not why_not and self.exact:
            verdict = self._by_value(found.mean)
        elif not why_not:
            raw = self.series.two_sided(("difference", difference))
            p = families.differences[difference]
            bound = self.series.one_sided(self._bound(difference))
            q = bound if self.rule == "bound" else families.equivalences[difference, self.claim.margin]
            verdict, notes = self._decide(difference, p, q, stage.alpha)
            needed = self._seeds_needed(found, stage) if verdict == "inconclusive" else None
        return Estimate(
            subject=difference.subject,
            over=difference.over,
            verdict=verdict,
            notes=notes,
            n=found.n,
            mean=found.mean,
            sd=found.sd,
            interval=None if self.exact or isnan(found.sd) else found.ci,
            level=stage.level,
            p=raw,
            p_adjusted=p,
            p_equivalence=q,
            p_contrary=nan,
            rho=found.rho,
            seeds_needed=needed,
        )

    def _decide(self, difference: Difference, p: float, q: float, alpha: float) -> tuple[Word, tuple[str, ...]]:
        """The verdict and its notes.

        As the other tests of a family come to their end its correction eases, and the p value of an earlier look may decide:
        but only what the seeds seen by now still say.
        """
        found, margin = self._seen[difference], self.claim.margin
        then = self._means[difference, self.series.strongest(("difference", difference))]
        sign = np.sign(found.mean) if np.sign(found.mean) == np.sign(then) else 0
        outside = found.ci[0] > margin or found.ci[1] < -margin
        limited = self.series.one_sided(self._bound(difference)) < alpha
        different, small = p < alpha and sign != 0, q < alpha and abs(found.mean) < margin
        if self.rule == "bound":
            if limited:
                return "supported", ()
            return ("refuted" if different and sign == self.direction else "inconclusive"), ()
        if self.rule == "equivalence":
            if small:
                return "supported", (model.NEGLIGIBLE,) if different else ()
            return ("refuted", (model.EXCEEDS,)) if different and outside else ("inconclusive", ())
        if small:
            return "equivalent", (model.NEGLIGIBLE,) if different else ()
        if different:
            return ("supported" if sign == self.direction else "refuted"), (model.EXCEEDS,) if outside else ()
        return "inconclusive", (model.NO_GAIN if self.direction > 0 else model.NO_LOSS,) if limited else ()

    def _by_value(self, mean: float) -> Word:
        """Of a metric without spread: the difference is what it is."""
        margin, claimed = self.claim.margin, self.direction * mean
        if self.rule == "bound":
            return "supported" if claimed < margin else "refuted"
        if self.rule == "equivalence":
            return "supported" if abs(mean) < margin else "refuted"
        return "equivalent" if abs(mean) < margin else "supported" if claimed > 0 else "refuted"

    def _seeds_needed(self, found: statistics.Paired, stage: Stage) -> tuple[int, int]:
        low, high = statistics.seeds_range(found.sd, found.n, self.claim.margin, stage.alpha)
        looks = self.values.terms.looks
        if len(looks) == 1:
            return low, high
        return tuple(min((look for look in looks if look >= seeds and look > stage.n), default=seeds) for seeds in (low, high))  # type: ignore[return-value]  # two in, two out

    def word(self, rows: Sequence[Estimate]) -> Word:
        # Of a bound on several this is an intersection-union test: none needs a correction, as every one has to pass.
        words = {row.verdict for row in rows}
        if len(words) == 1 and (len(rows) == 1 or words != {"equivalent"}):
            return words.pop()
        return "refuted" if "refuted" in words else "inconclusive"
