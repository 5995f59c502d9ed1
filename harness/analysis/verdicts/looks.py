"""Replay the looks of a plan and judge its claims at each.

Looks are replayed in order, and a verdict is frozen at the first look that decides it. So the verdicts depend on the finished
runs only, not on when or where they are computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import statistics
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import Case, ComparisonCase, Families, Look
from harness.analysis.verdicts.doses import DeclineCase, ProportionCase, RangeCase, ThresholdCase
from harness.analysis.verdicts.model import Estimate, Judgement, Verdict, Word
from harness.analysis.verdicts.registration import Registered, registered
from harness.analysis.verdicts.series import Series, adjusted
from harness.analysis.verdicts.terms import Terms
from harness.analysis.verdicts.values import Difference, Values
from harness.experiment.claims import COMPARISONS, Claim

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class _ClaimState:
    """A claim and its verdict after the looks so far."""

    case: Case
    registered: bool
    rows: list[Estimate] = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)  # whether a row is decided
    word: Word = "waiting"
    decided_at: int | None = None
    optima: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether no later look can change it: decided, or undecidable because runs diverged."""
        return self.decided_at is not None

    def take(self, look: Look, families: Families) -> None:
        """Update with one more look."""
        fresh = self.case.rows(look, families)
        if not self.rows:
            self.rows, self.frozen = fresh, [False] * len(fresh)
        for place, row in enumerate(fresh):
            old = self.rows[place]
            if self.frozen[place] or self.closed:
                # Sign and interval are frozen; p values may still decrease with later looks.
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
            self.decided_at = look.n


class Looks:
    """The replayed looks of one plan."""

    def __init__(self, terms: Terms, runs: pd.DataFrame, levels: statistics.Levels | None = None) -> None:
        self.terms = terms
        self.values = Values(terms, runs)
        self.series = Series(terms.looks, levels)
        claims = [(claim, True) for claim in terms.claims] + [(claim, False) for claim in terms.amended]
        self.states = [_ClaimState(make_case(claim, self.values, self.series), registered) for claim, registered in claims]
        self.current: Look | None = None  # the current look
        self.families: Families | None = None  # of the registered claims, at the current look
        self.holding: tuple[tuple[str, int], ...] = ()
        self.stopped_at: int | None = None  # the look at which every registered claim was decided
        self.horizon = terms.looks[0]
        for n in terms.looks:
            if not self._advance(n):
                break

    def _advance(self, n: int) -> bool:
        """Evaluate the look with `n` seeds; False if it is incomplete or blocked by failed runs."""
        last = n == self.terms.looks[-1]
        if self.stopped_at is None:
            self.horizon = n
        if self.values.complete < n:
            return False
        failed = self.values.failed(n)
        sequential = len(self.terms.looks) > 1
        if failed and sequential and not all(claim.failed_counts_as is not None for claim in self.terms.claims):
            self.holding = failed if self.stopped_at is None else ()
            return False
        self.current = Look(n, self.series.level(n, self.terms.alpha), self.terms.alpha)
        for state in self.states:
            state.case.observe(self.current)
        own = [state for state in self.states if state.registered]
        self.families = self._families(own)
        all_families = self._families(self.states) if len(own) < len(self.states) else self.families
        for state in self.states:
            state.take(self.current, self.families if state.registered else all_families)
        if self.stopped_at is None and (last or (own and all(state.closed for state in own))):
            self.stopped_at = n
        return True

    def _families(self, states: Sequence[_ClaimState]) -> Families:
        """Adjusted p values of these claims after the looks so far."""
        cases = [state.case for state in states]
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
        """The differences of registered claims, tested or not."""
        return tuple(each for state in self.states if state.registered for each in state.case.compared)

    def judgement(self) -> Judgement:
        """The state of the looks and one verdict per claim."""
        return Judgement(
            look=self.current.n if self.current else 0,
            horizon=self.horizon,
            finished=self.stopped_at is not None,
            holding=self.holding,
            verdicts=tuple(map(self._verdict, self.states)),
        )

    def _verdict(self, state: _ClaimState) -> Verdict:
        decided = state.decided_at if state.word != "inconclusive" else None
        seeds = state.decided_at or (self.current.n if self.current else 0)
        notes = [note for row in state.rows for note in row.notes]
        if decided is not None and decided < self.terms.looks[-1] and not state.case.exact:
            notes.append(model.EARLY)
        return Verdict(
            claim=state.case.claim,
            registration=self._registration(state, seeds or self.terms.looks[0]),
            verdict=state.word,
            notes=tuple(dict.fromkeys(notes)),
            rows=tuple(state.rows),
            decided_at=decided,
            open=not state.closed and self.stopped_at is None,
            run_ids=self.values.run_ids(state.case.variants, seeds),
            optima=state.optima,
            e_value=self._e_value(state.case),
        )

    def _registration(self, state: _ClaimState, seeds: int) -> Registered | None:
        """What was known of the results with the first `seeds` seeds when the claim was written."""
        used = self.values.used_runs(state.case.variants, seeds)
        if used is None:
            return None
        compared = {variant for difference in state.case.compared for variant, _ in difference.plus}
        references = {variant for difference in state.case.compared for variant, _ in difference.minus} - compared
        written = self.terms.written if state.registered else self.terms.added
        return registered(written, used, frozenset(references), added=not state.registered)

    def _e_value(self, case: Case) -> float | None:
        """For a single comparison: over all seeds, if some lie beyond the last look and all have finished."""
        n = self.values.seeds
        if n <= self.terms.looks[-1] or self.values.complete < n or len(case.differences) != 1:
            return None
        one, other = self.values.sides(case.differences[0], n)
        values = (one - other)[~np.isnan(one - other)]
        return float(statistics.e_value(values)) if len(values) == n and values.std() > 0 else None


# Kind of claim -> how it is judged.
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
    """Create the case of a claim."""
    return CASES[claim.kind](claim, values, series)


def _undecidable(row: Estimate) -> bool:
    """Whether more seeds cannot help: a run that diverged or lacks the metric stays so."""
    return any(note.startswith(("diverged", "not measured")) for note in row.notes)


def _least(one: float, other: float) -> float:
    return other if np.isnan(one) or other < one else one
