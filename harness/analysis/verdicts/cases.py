"""Cases: the tests of a claim, evaluated at each look.

At each look every case adds its p values to the series (`observe`), the p values of all hypotheses of the plan are corrected
together, and then `rows` gives the estimates of the claim and `word` its verdict.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from harness.analysis.statistics import FurtherLook, Hypothesis, Rule, Slot, predictive_power
from harness.analysis.verdicts.model import CASES_OF, Estimate, Word
from harness.analysis.verdicts.series import Series
from harness.analysis.verdicts.values import Difference, Floats, Values
from harness.experiment.claims import Across, Claim

MIN_SEEDS = 3

# The weight of a hypothesis that a claim does not state, relative to that which it does. Simulated: with 1, no correction becomes
# weaker once another claim is decided; with less than 1/2, equivalences are hardly found.
SECOND = 0.5


@dataclass(frozen=True)
class Look:
    """A look: its number of seeds, the level of its intervals, and the overall alpha."""

    n: int
    level: float
    alpha: float


@dataclass(frozen=True)
class Corrected:
    """By hypothesis: the adjusted p value at a look, the overall level at which it is tested from then on, and that at which it
    was tested before anything was rejected."""

    p: Mapping[Hashable, float]
    levels: Mapping[Hashable, float]
    first_levels: Mapping[Hashable, float]


@dataclass(frozen=True)
class Sample:
    """What an estimate was computed from: one value per seed of `seeds`, whose mean is the estimate's.

    `null` is what the mean is compared with, `direction` (1 or -1) the claimed side of it; NaN `margin`: the rule needs none.
    """

    values: Floats
    seeds: tuple[int, ...]
    null: float = 0.0
    direction: int = 1
    margin: float = nan
    rule: Rule = "direction"

    @property
    def claimed(self) -> Floats:
        """The values relative to `null`, positive on the claimed side."""
        return self.direction * (self.values - self.null)


class Case(ABC):
    """The tests of one claim."""

    def __init__(self, claim: Claim, values: Values, series: Series) -> None:
        self.claim, self.values, self.series = claim, values, series
        self.exact = values.terms.metrics[claim.metric].exact
        self.across: Across = getattr(claim, "across", "seeds")

    @property
    @abstractmethod
    def variants(self) -> tuple[str, ...]:
        """Every variant that the claim is about."""

    @property
    def matched(self) -> tuple[tuple[str, ...], ...]:
        """The variants whose runs are taken together by seed, for each estimate."""
        return self.values.matched(self.variants)

    @property
    def compared(self) -> tuple[Difference, ...]:
        """The differences in the claim, tested or not."""
        return ()

    def slots(self) -> Mapping[Hashable, Slot]:
        """Its hypotheses, by what they are about: equal keys of several claims are one slot."""
        return {}

    @abstractmethod
    def observe(self, look: Look) -> None:
        """Compute the tests at a look and add their p values to the series."""

    @abstractmethod
    def rows(self, look: Look, corrected: Corrected) -> list[Estimate]:
        """The estimates at the last observed look."""

    @abstractmethod
    def samples(self, n: int) -> list[Sample | None]:
        """What each row is computed from, with the first `n` seeds; None if that is not one value per seed."""

    @abstractmethod
    def at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:
        """The look with `n` seeds, with the levels of the tests that decide row `place`."""

    def word(self, rows: Sequence[Estimate]) -> Word:
        """The verdict from all rows."""
        return rows[0].verdict

    def settled(self, rows: Sequence[Estimate], look: Look) -> list[bool]:  # noqa: ARG002 - of all claims but bounds on a list
        """Whether each row is decided, or cannot be: a run that diverged or lacks the metric stays so."""
        return [row.verdict != "inconclusive" or undecidable(row) for row in rows]

    def optima(self) -> tuple[str, ...]:
        """Levels that may be the best, for claims about the best level."""
        return ()

    def likely(self, place: int, look: Look, corrected: Corrected) -> float:
        """The predictive probability that a later look decides row `place`; 1 if it is not known, or at the last look."""
        sample = self.samples(look.n)[place]
        further = [self.at(place, n, corrected) for n in self.series.after(look.n)]
        if sample is None:
            return 1.0
        sd = float(sample.values.std(ddof=1))
        return predictive_power(float(sample.claimed.mean()), sd, look.n, sample.margin, further)

    def told_at(self, place: int, n: int, corrected: Corrected) -> FurtherLook:
        """The look with `n` seeds, with the levels of the tests that the word of row `place` comes from."""
        return self.at(place, n, corrected)

    @abstractmethod
    def deciding_level(self, word: Word, corrected: Corrected) -> float:
        """The level, over all looks, of the test that decides the first row as `word`; NaN without a test."""

    def level(self, key: Hashable, n: int, overall: Mapping[Hashable, float], *, one_sided: bool = False) -> float:
        """The level of a hypothesis at the look with `n` seeds, from its `overall` level; 0 if there is no such test."""
        level = overall.get(key, 0.0)
        if level <= 0:
            return 0.0
        return self.series.one_sided_level(n, level) if one_sided else self.series.level(n, level)


def undecidable(row: Estimate) -> bool:
    """Whether more seeds cannot help."""
    return any(note.startswith(("diverged: ", "not measured: ", CASES_OF)) for note in row.notes)


def merge(slots: Sequence[Mapping[Hashable, Slot]]) -> list[Slot]:
    """The slots of several claims; a hypothesis of several has the largest of its weights."""
    merged: dict[Hashable, Slot] = {}
    for own in slots:
        for key, slot in own.items():
            known = {each.key: each for each in merged[key].hypotheses} if key in merged else {}
            for each in slot.hypotheses:
                if each.key not in known or known[each.key].weight < each.weight:
                    known[each.key] = Hypothesis(each.key, each.weight, each.scenario)
            merged[key] = Slot(tuple(known.values()), slot.either)
    return list(merged.values())
