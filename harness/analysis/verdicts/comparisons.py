"""Cases of comparisons of variants and of contrasts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from math import isnan, nan
from typing import Literal, get_args

import numpy as np

from harness.analysis import statistics
from harness.analysis.statistics import FurtherLook, Hypothesis, Rule, Slot
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import SECOND, Case, Corrected, Look, Sample
from harness.analysis.verdicts.model import Estimate, SeedsNeeded, Word
from harness.analysis.verdicts.replicates import Compared, OverCases, Replicates, over_seeds, too_few
from harness.analysis.verdicts.series import Series
from harness.analysis.verdicts.values import Difference, Values, equal
from harness.experiment.claims import ComparisonClaim, ContrastClaim

# Kind of claim, or sign of a contrast -> what it tests, and the sign of the claimed difference.
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

Kind = Literal["difference", "beyond", "equivalence", "below", "above"]

# What a claim tests -> the hypothesis whose rejection supports it.
TESTED: Mapping[Rule, Kind] = {"direction": "difference", "equivalence": "equivalence", "bound": "below"}


class ComparisonCase(Case):
    """Comparisons of variants, or a contrast.

    Let θ be a true difference and δ the margin. The hypotheses, each rejected by a small p value: `difference` θ = 0, `beyond`
    |θ| < δ, `equivalence` |θ| >= δ, `below` θ >= δ, `above` θ <= 0 (both with the sign of the claim).
    """

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
            make = partial(
                values.difference,
                metric=claim.metric,
                where=claim.where,
                failed_counts_as=claim.failed_counts_as,
                across=claim.across,
            )
            self._compared = tuple(make(label, over) for label, over in zip(claim.variants, claim.over, strict=True))
        self.replicates: Replicates = OverCases(values) if self.across == "cases" else over_seeds(values)
        self._seen: dict[Difference, Compared] = {}
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
    def matched(self) -> tuple[tuple[str, ...], ...]:
        return tuple(together for difference in self.compared for together in self.values.matched(difference.variants))

    @property
    def compared(self) -> tuple[Difference, ...]:
        return self._compared

    def key(self, kind: Kind, difference: Difference) -> Hashable:
        """The key of a hypothesis."""
        signed = (self.direction,) if kind in ("below", "above") else ()
        return (kind, difference, self.claim.margin, *signed)

    def slots(self) -> Mapping[Hashable, Slot]:
        if self.exact:
            return {}
        found = {}
        for each in self.compared:
            if self.rule == "bound":
                weights: list[tuple[Kind, float, str]] = [("below", 1.0, "large"), ("above", SECOND, "small")]
            else:
                direction = self.rule == "direction"
                weights = [
                    ("difference", 1.0 if direction else SECOND, "small"),
                    ("beyond", SECOND, "small"),
                    ("equivalence", SECOND if direction else 1.0, "large"),
                    ("below", SECOND, "large"),
                ]
            about: Hashable = self.key("below", each) if self.rule == "bound" else ("pair", each, self.claim.margin)
            found[about] = Slot(tuple(Hypothesis(self.key(kind, each), weight, scenario) for kind, weight, scenario in weights))
        return found

    def observe(self, look: Look) -> None:
        for difference in self.compared:
            self._observe(difference, look)

    def _observe(self, difference: Difference, look: Look) -> float:
        """Compute the tests of one difference; the p value of `below`, NaN if it cannot be tested."""
        test = partial(self.replicates.compare, difference, look.n, self.claim.margin, look.level)
        found = test()
        self._seen[difference], self._means[difference, look.n] = found, found.mean
        if self._untestable(difference, look.n):
            return nan
        claimed = found if self.direction > 0 else test(sign=-1)
        add = partial(self.series.add, n=look.n)
        add(self.key("below", difference), p=claimed.p_nogain, one_sided=True)
        if self.rule == "bound":
            add(self.key("above", difference), p=found.p / 2 if claimed.mean > 0 else 1 - found.p / 2, one_sided=True)
        else:
            add(self.key("difference", difference), p=found.p)
            add(self.key("beyond", difference), p=found.p_beyond)
            add(self.key("equivalence", difference), p=found.p_tost, one_sided=True)
        return claimed.p_nogain

    def _untestable(self, difference: Difference, n: int) -> tuple[str, ...]:
        """Why the difference cannot be tested; empty if it can."""
        missing = self.values.missing(difference.variants, difference.metric, n, difference.failed_counts_as)
        if missing:
            return missing
        if self.exact:
            seeds = self.values.least(difference.variants, n)
            return () if seeds else too_few(self.values, difference.variants, seeds)
        return self.replicates.untestable(difference, n, self._seen[difference])

    def rows(self, look: Look, corrected: Corrected) -> list[Estimate]:
        return [self._row(difference, look, corrected) for difference in self.compared]

    def _row(self, difference: Difference, look: Look, corrected: Corrected) -> Estimate:
        found, untestable = self._seen[difference], self._untestable(difference, look.n)
        bound = self.rule == "bound"
        tested: Kind = "above" if bound else "difference"
        p, adjusted, equivalence, contrary = nan, nan, nan, nan
        verdict: Word = "inconclusive"
        notes, needed = untestable, None
        if not untestable and self.exact:
            verdict = self._by_value(found.mean)
        elif not untestable:
            p, adjusted = self.series.p(self.key(tested, difference)), corrected.p[self.key(tested, difference)]
            equivalence = corrected.p[self.supporting(difference) if bound else self.key("equivalence", difference)]
            contrary = corrected.p[self.key("beyond", difference)] if self.rule == "equivalence" else nan
            verdict, notes = self._decide(difference, look, corrected)
            notes += self.replicates.notes(difference, look.n, found)
            needed = self._seeds_needed(difference, look, corrected) if verdict == "inconclusive" else None
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
            p=p,
            p_adjusted=adjusted,
            p_equivalence=equivalence,
            p_contrary=contrary,
            rho=found.rho,
            seeds_needed=needed,
            cases=self.replicates.facts(difference, found),
            runs=found.runs if isinstance(found, statistics.Unpaired) else (),
            absent=self.values.absent(difference.variants, look.n),
        )

    def _decide(self, difference: Difference, look: Look, corrected: Corrected) -> tuple[Word, tuple[str, ...]]:
        """The verdict and its notes.

        When hypotheses about other claims are rejected, the correction becomes weaker, and the p value of an earlier look may
        decide: but only if the current seeds agree with it.
        """
        mean, margin = self._seen[difference].mean, self.claim.margin
        shown = self._shown(difference, look, corrected)
        claimed = self.direction * mean
        limited = "below" in shown and claimed < margin
        if self.rule == "bound":
            if limited:
                return "supported", ()
            return "refuted" if "above" in shown and claimed > 0 and not self._within(difference, look) else "inconclusive", ()
        then = self._means[difference, self.series.strongest(self.key("difference", difference))]
        different = "difference" in shown and np.sign(mean) == np.sign(then)
        small, outside = "equivalence" in shown and abs(mean) < margin, different and "beyond" in shown and abs(mean) > margin
        if self.rule == "equivalence":
            if small:
                return "supported", (model.NEGLIGIBLE,) if different else ()
            return ("refuted", (model.EXCEEDS,)) if outside else ("inconclusive", ())
        if small:
            return "equivalent", (model.NEGLIGIBLE,) if different else ()
        if different:
            return ("supported" if claimed > 0 else "refuted"), (model.EXCEEDS,) if outside else ()
        return "inconclusive", (model.NO_GAIN if self.direction > 0 else model.NO_LOSS,) if limited else ()

    def _shown(self, difference: Difference, look: Look, corrected: Corrected) -> set[Kind]:
        """The hypotheses about a difference that are rejected."""
        return {kind for kind in get_args(Kind) if corrected.p.get(self.key(kind, difference), nan) < look.alpha}

    def _within(self, difference: Difference, look: Look) -> bool:
        """Whether a variant of a bound is, by an uncorrected test, known to stay within it: then it refutes nothing."""
        return self.series.p(self.key("below", difference)) < look.alpha

    def _by_value(self, mean: float) -> Word:
        """The verdict for a metric without spread, from the difference alone."""
        margin, claimed = self.claim.margin, self.direction * mean
        if self.rule == "bound":
            return "supported" if claimed < margin else "refuted"
        if self.rule == "equivalence":
            return "supported" if abs(mean) < margin else "refuted"
        return "equivalent" if abs(mean) < margin else "supported" if claimed > 0 else "refuted"

    def supporting(self, difference: Difference) -> Hashable:
        """The key of the hypothesis whose rejection supports the claim."""
        return self.key(TESTED[self.rule], difference)

    @property
    def together(self) -> int:
        """How many differences must pass their tests for any of them to count."""
        return 1

    def _seeds_needed(self, difference: Difference, look: Look, corrected: Corrected) -> SeedsNeeded | None:
        """The level is that of the last look: enough for a plan judged once, as for one with the same looks, further apart.

        Of a joint bound it is what its most variable difference needs, with the power that lets all pass in 80 % if they are
        independent; with a shared reference they pass more often.
        """
        if not self.claim.margin > 0:
            return None
        last = self.series.looks[-1]
        level = self.level(self.supporting(difference), last, corrected.first_levels, one_sided=self.rule != "direction")
        joint = self.compared if self.together > 1 else (difference,)
        found = [self._seen[each] for each in joint if not self._untestable(each, look.n)]
        power = statistics.single_power(self.together)
        return self.replicates.needed(found, margin=self.claim.margin, level=level, power=power, rule=self.rule)

    def samples(self, n: int) -> list[Sample | None]:
        if self.across == "cases" or self.values.terms.unpaired:
            return [None for _ in self.compared]
        return [self._sample(difference, n) for difference in self.compared]

    def _sample(self, difference: Difference, n: int) -> Sample | None:
        one, other = self.values.sides(difference, n)
        seeds = self.values.common_seeds(difference.variants, n)
        found = (one - other)[self.values.exist(difference.variants, n)]
        return Sample(found, seeds, direction=self.direction, margin=self.claim.margin, rule=self.rule) if seeds else None

    def at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:
        difference = self.compared[place]

        def level(key: Hashable, *, one_sided: bool = False) -> float:
            return self.level(key, n, corrected.levels, one_sided=one_sided)

        if self.rule == "bound":
            above = level(self.key("above", difference), one_sided=True)
            return FurtherLook(n, below=level(self.supporting(difference), one_sided=True), above=above)
        equivalence = level(self.key("equivalence", difference), one_sided=True)
        if self.rule == "equivalence":
            return FurtherLook(n, beyond=level(self.key("beyond", difference)), equivalence=equivalence)
        return FurtherLook(n, difference=level(self.key("difference", difference)), equivalence=equivalence)

    def deciding_level(self, word: Word, corrected: Corrected) -> float:
        kinds: Mapping[tuple[Rule, Word], Kind] = {
            ("direction", "equivalent"): "equivalence",
            ("equivalence", "supported"): "equivalence",
            ("equivalence", "refuted"): "beyond",
            ("bound", "refuted"): "above",
        }
        first = self.compared[0]
        bounded = (self.rule, word) == ("bound", "supported")
        key = self.supporting(first) if bounded else self.key(kinds.get((self.rule, word), "difference"), first)
        return corrected.levels.get(key, nan)

    def word(self, rows: Sequence[Estimate]) -> Word:
        words = {row.verdict for row in rows}
        if len(words) == 1 and (len(rows) == 1 or words != {"equivalent"}):
            return words.pop()
        return "refuted" if "refuted" in words else "inconclusive"
