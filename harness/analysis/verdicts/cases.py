"""Cases: the tests of a claim, evaluated at each look.

At each look every case adds its p values to the series (`observe`), the families of all cases are corrected together, and then
`rows` gives the estimates of the claim and `word` its verdict.
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

MIN_SEEDS = 3

# What a comparison tests (a direction, equivalence, or a bound), and the sign of the claimed difference.
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
    """Adjusted p values at a look, by test: differences, equivalences, other tests, and the opposites of the other tests."""

    differences: Mapping[Difference, float]
    equivalences: Mapping[tuple[Difference, float], float]
    others: Mapping[Case, float]
    contraries: Mapping[Case, float]


@dataclass(frozen=True)
class Look:
    """A look: its number of seeds, the level of its intervals, and the overall alpha."""

    n: int
    level: float
    alpha: float


class Case(ABC):
    """The tests of one claim."""

    def __init__(self, claim: Claim, values: Values, series: Series) -> None:
        self.claim, self.values, self.series = claim, values, series
        self.exact = values.terms.metrics[claim.metric].exact

    @property
    @abstractmethod
    def variants(self) -> tuple[str, ...]:
        """Every variant that the claim is about."""

    @property
    def compared(self) -> tuple[Difference, ...]:
        """The differences in the claim, tested or not."""
        return ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The tests that belong to the family of differences."""
        return () if self.exact else self.compared

    @property
    def equivalences(self) -> tuple[tuple[Difference, float], ...]:
        """The tests that belong to the family of equivalences, with their margins."""
        return ()

    @property
    def others(self) -> bool:
        """Whether its test belongs to the family of other tests."""
        return False

    @abstractmethod
    def observe(self, look: Look) -> None:
        """Compute the tests at a look and add their p values to the series."""

    @abstractmethod
    def rows(self, look: Look, families: Families) -> list[Estimate]:
        """The estimates at the last observed look."""

    def word(self, rows: Sequence[Estimate]) -> Word:
        """The verdict from all rows."""
        return rows[0].verdict

    def optima(self) -> tuple[str, ...]:
        """Levels that may be the best, for claims about the best level."""
        return ()


class ComparisonCase(Case):
    """Comparisons of variants, or a contrast."""

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
        """Weights by variant: the weight of a label that means several variants is divided among them."""
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

    def observe(self, look: Look) -> None:
        for difference in self.compared:
            one, other = self.values.sides(difference, look.n)
            both = ~np.isnan(one - other)
            found = statistics.paired(one[both], other[both], self.claim.margin, self.values.terms.alpha, look.level)
            self._seen[difference], self._means[difference, look.n] = found, found.mean
            if self._untestable(difference, look.n):
                continue
            mirrored = statistics.paired(-one, -other, self.claim.margin, self.values.terms.alpha, look.level)
            bound = found if self.direction > 0 else mirrored
            self.series.add(("difference", difference), look.n, found.p)
            self.series.add(("equivalence", difference, self.claim.margin), look.n, found.p_tost)
            self.series.add(self._bound(difference), look.n, bound.p_nogain)

    def _bound(self, difference: Difference) -> Hashable:
        return ("bound", difference, self.claim.margin, self.direction)

    def _untestable(self, difference: Difference, n: int) -> tuple[str, ...]:
        """Why the difference cannot be tested; empty if it can."""
        missing = self.values.missing(difference.variants, difference.metric, n, difference.failed_counts_as)
        if missing:
            return missing
        if self.exact:
            return ()
        if n < MIN_SEEDS:
            return (model.FEW,)
        sd = self._seen[difference].sd
        return (model.DEGENERATE,) if sd == 0 or sd < self.values.least_spread(difference.metric) else ()

    def rows(self, look: Look, families: Families) -> list[Estimate]:
        return [self._row(difference, look, families) for difference in self.compared]

    def _row(self, difference: Difference, look: Look, families: Families) -> Estimate:
        found, untestable = self._seen[difference], self._untestable(difference, look.n)
        p = q = raw = nan
        verdict: Word = "inconclusive"
        notes, needed = untestable, None
        if not untestable and self.exact:
            verdict = self._by_value(found.mean)
        elif not untestable:
            raw = self.series.two_sided(("difference", difference))
            p = families.differences[difference]
            bound = self.series.one_sided(self._bound(difference))
            q = bound if self.rule == "bound" else families.equivalences[difference, self.claim.margin]
            verdict, notes = self._decide(difference, p, q, look.alpha)
            needed = self._seeds_needed(found, look) if verdict == "inconclusive" else None
        return Estimate(
            subject=difference.subject,
            over=difference.over,
            verdict=verdict,
            notes=notes,
            n=found.n,
            mean=found.mean,
            sd=found.sd,
            interval=None if self.exact or isnan(found.sd) else found.ci,
            level=look.level,
            p=raw,
            p_adjusted=p,
            p_equivalence=q,
            p_contrary=nan,
            rho=found.rho,
            seeds_needed=needed,
        )

    def _decide(self, difference: Difference, p: float, q: float, alpha: float) -> tuple[Word, tuple[str, ...]]:
        """The verdict and its notes.

        When other tests of the family finish, the correction becomes weaker, and the p value of an earlier look may decide: but
        only if the current seeds agree with it.
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
        """The verdict for a metric without spread, from the difference alone."""
        margin, claimed = self.claim.margin, self.direction * mean
        if self.rule == "bound":
            return "supported" if claimed < margin else "refuted"
        if self.rule == "equivalence":
            return "supported" if abs(mean) < margin else "refuted"
        return "equivalent" if abs(mean) < margin else "supported" if claimed > 0 else "refuted"

    def _seeds_needed(self, found: statistics.Paired, look: Look) -> tuple[int, int]:
        low, high = statistics.seeds_range(found.sd, found.n, self.claim.margin, look.alpha)
        looks = self.values.terms.looks
        if len(looks) == 1:
            return low, high
        return tuple(min((n for n in looks if n >= seeds and n > look.n), default=seeds) for seeds in (low, high))  # type: ignore[return-value]  # a tuple of two

    def word(self, rows: Sequence[Estimate]) -> Word:
        # Bounds on several variants are an intersection-union test: all must pass, so none needs a correction.
        words = {row.verdict for row in rows}
        if len(words) == 1 and (len(rows) == 1 or words != {"equivalent"}):
            return words.pop()
        return "refuted" if "refuted" in words else "inconclusive"
