"""Terms and a frame of runs -> where the looks stand, and a verdict a claim.

Looks are gone through in their order, as they came to be: a verdict freezes at the first look that decides it. So everyone who
sees the same ended runs says the same, whenever and wherever they look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import statistics
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import Case, ComparisonCase, Families, Stage
from harness.analysis.verdicts.doses import DeclineCase, ProportionCase, RangeCase, ThresholdCase
from harness.analysis.verdicts.model import Estimate, Judgement, Verdict, Word
from harness.analysis.verdicts.series import Series, adjusted
from harness.analysis.verdicts.terms import Terms
from harness.analysis.verdicts.values import Difference, Values
from harness.experiment.claims import COMPARISONS, Claim

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class _Docket:
    """A case and what the looks so far made of it."""

    case: Case
    registered: bool
    rows: list[Estimate] = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)  # a row that was decided
    word: Word = "waiting"
    decided_at: int | None = None
    optima: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether no further look can change it: decided, or undecidable as runs diverged."""
        return self.decided_at is not None

    def take(self, stage: Stage, families: Families) -> None:
        """One more look."""
        fresh = self.case.rows(stage, families)
        if not self.rows:
            self.rows, self.frozen = fresh, [False] * len(fresh)
        for place, row in enumerate(fresh):
            old = self.rows[place]
            if self.frozen[place] or self.closed:
                # Sign and interval stay; evidence against the other claims of the family may come later, and of its own too.
                self.rows[place] = replace(
                    old,
                    p=_least(old.p, row.p),
                    p_adjusted=_least(old.p_adjusted, row.p_adjusted),
                    p_contrary=_least(old.p_contrary, row.p_contrary),
                )
            else:
                self.rows[place] = row
        if self.closed:
            return
        self.word = self.case.word(self.rows)
        self.optima = self.case.optima()
        self.frozen = [row.verdict != "inconclusive" or _undecidable(row) for row in self.rows]
        if self.word != "inconclusive" or all(self.frozen):
            self.decided_at = stage.n


class Looks:
    """The looks of one plan, gone through."""

    def __init__(self, terms: Terms, runs: pd.DataFrame, levels: statistics.Levels | None = None) -> None:
        self.terms = terms
        self.values = Values(terms, runs)
        self.series = Series(terms.looks, levels)
        claims = [(claim, True) for claim in terms.claims] + [(claim, False) for claim in terms.amended]
        self.dockets = [_Docket(make_case(claim, self.values, self.series), registered) for claim, registered in claims]
        self.stage: Stage | None = None  # the look in force
        self.families: Families | None = None  # of the registered claims, at the look in force
        self.holding: tuple[tuple[str, int], ...] = ()
        self.stopped_at: int | None = None  # the look at which every registered claim was decided
        self.horizon = terms.looks[0]
        for n in terms.looks:
            if not self._advance(n):
                break

    def _advance(self, n: int) -> bool:
        """Take in the look with `n` seeds; False: it is not in yet, or is held."""
        last = n == self.terms.looks[-1]
        if self.stopped_at is None:
            self.horizon = n
        if self.values.complete < n:
            return False
        failed = self.values.failed(n)
        staged = len(self.terms.looks) > 1
        if failed and staged and not all(claim.failed_counts_as is not None for claim in self.terms.claims):
            self.holding = failed if self.stopped_at is None else ()
            return False
        self.stage = Stage(n, self.series.level(n, self.terms.alpha), self.terms.alpha)
        for docket in self.dockets:
            docket.case.observe(self.stage)
        own = [docket for docket in self.dockets if docket.registered]
        self.families = self._families(own)
        everyone = self._families(self.dockets) if len(own) < len(self.dockets) else self.families
        for docket in self.dockets:
            docket.take(self.stage, self.families if docket.registered else everyone)
        if self.stopped_at is None and (last or (own and all(docket.closed for docket in own))):
            self.stopped_at = n
        return True

    def _families(self, dockets: Sequence[_Docket]) -> Families:
        """Adjusted p values of the dockets' tests, after the looks so far."""
        cases = [docket.case for docket in dockets]
        differences = {key: self.series.two_sided(("difference", key)) for case in cases for key in case.differences}
        equivalences = {key: self.series.one_sided(("equivalence", *key)) for case in cases for key in case.equivalences}
        singles = [case for case in cases if case.others]
        return Families(
            adjusted(differences),
            adjusted(equivalences),
            adjusted({case: self.series.one_sided(case) for case in singles}),
            adjusted({case: self.series.one_sided(("contrary", case)) for case in singles}),
        )

    @property
    def registered(self) -> tuple[Difference, ...]:
        """The differences that registered claims are about, tested or not."""
        return tuple(each for docket in self.dockets if docket.registered for each in docket.case.compared)

    def judgement(self) -> Judgement:
        """Where the looks stand, and a verdict a claim."""
        return Judgement(
            look=self.stage.n if self.stage else 0,
            horizon=self.horizon,
            finished=self.stopped_at is not None,
            holding=self.holding,
            verdicts=tuple(map(self._verdict, self.dockets)),
        )

    def _verdict(self, docket: _Docket) -> Verdict:
        decided = docket.decided_at if docket.word != "inconclusive" else None
        seeds = docket.decided_at or (self.stage.n if self.stage else 0)
        notes = [note for row in docket.rows for note in row.notes]
        if decided is not None and decided < self.terms.looks[-1] and not docket.case.exact:
            notes.append(model.EARLY)
        return Verdict(
            claim=docket.case.claim,
            registered=docket.registered,
            verdict=docket.word,
            notes=tuple(dict.fromkeys(notes)),
            rows=tuple(docket.rows),
            decided_at=decided,
            open=not docket.closed and self.stopped_at is None,
            run_ids=self.values.run_ids(docket.case.variants, seeds),
            optima=docket.optima,
            e_value=self._e_value(docket.case),
        )

    def _e_value(self, case: Case) -> float | None:
        """Of one comparison over all seeds, where some were added beyond the last look and all have ended."""
        n = self.values.seeds
        if n <= self.terms.looks[-1] or self.values.complete < n or len(case.differences) != 1:
            return None
        one, other = self.values.sides(case.differences[0], n)
        values = (one - other)[~np.isnan(one - other)]
        return float(statistics.e_value(values)) if len(values) == n and values.std() > 0 else None


# A claim's kind -> how it is judged.
CASES: Mapping[str, type[Case]] = {
    **dict.fromkeys(COMPARISONS, ComparisonCase),
    "contrast": ComparisonCase,
    "best_in_range": RangeCase,
    "declines_beyond": DeclineCase,
    "no_proportional_gain": ProportionCase,
    "at_least": ThresholdCase,
    "at_most": ThresholdCase,
}


def make_case(claim: Claim, values: Values, series: Series) -> Case:
    """The case of a claim, by its kind."""
    return CASES[claim.kind](claim, values, series)


def _undecidable(row: Estimate) -> bool:
    """Whether no further seed can help: a divergence stays, and a run that ended without the metric will never have it."""
    return any(note.startswith(("diverged", "not measured")) for note in row.notes)


def _least(one: float, other: float) -> float:
    return other if np.isnan(one) or other < one else one
