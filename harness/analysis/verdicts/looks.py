"""Replay the looks of a plan and judge its claims at each.

Looks are replayed in order, and a verdict is frozen at the first look that decides it. So the verdicts depend on the finished
runs only, not on when or where they are computed. A look needs the runs of those variants only that a claim still open at the
look before is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import statistics
from harness.analysis.verdicts import model, robustness
from harness.analysis.verdicts.cases import Case, Corrected, Look, merge
from harness.analysis.verdicts.comparisons import ComparisonCase
from harness.analysis.verdicts.kinds import make_case
from harness.analysis.verdicts.model import Estimate, Judgement, Later, Verdict, Word
from harness.analysis.verdicts.registration import Registered, registered
from harness.analysis.verdicts.series import Series
from harness.analysis.verdicts.terms import Terms
from harness.analysis.verdicts.values import Difference, Values, Weights, different_seeds
from harness.experiment.claims import Claim
from harness.store.cases import CaseSource
from harness.tasks.protocol import optimistic

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class _ClaimState:
    """A claim and its verdict after the looks so far."""

    case: Case
    registered: bool
    rows: list[Estimate] = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)  # whether a row is decided, undecidable, or unlikely to be decided
    word: Word = "waiting"
    closed_at: int | None = None  # seeds of the look from which on no later look can change it
    optima: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether no later look can change it: decided, undecidable because runs diverged, or unlikely to be decided."""
        return self.closed_at is not None

    def take(self, look: Look, corrected: Corrected, futility: float | None) -> None:
        """Update with one more look."""
        fresh = self.case.rows(look, corrected)
        if not self.rows:
            self.rows, self.frozen = fresh, [False] * len(fresh)
        for place, row in enumerate(fresh):
            old = self.rows[place]
            if (self.frozen[place] or self.closed) and old.verdict == "inconclusive":
                continue  # closed without a decision: its p values stay with it
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
        settled = self.case.settled(self.rows, look)
        self.frozen = [old or now for old, now in zip(self.frozen, settled, strict=True)]
        if futility is not None and self.word == "inconclusive":
            self._drop_unlikely(look, corrected, futility)
        if self.word != "inconclusive" or all(self.frozen):
            self.closed_at = look.n

    def _drop_unlikely(self, look: Look, corrected: Corrected, futility: float) -> None:
        """Freeze the rows whose probability of being decided by a later look is below `futility`."""
        last = self.case.series.looks[-1]
        for place, row in enumerate(self.rows):
            if self.frozen[place] or np.isnan(row.p):
                continue
            likely = self.case.likely(place, look, corrected)
            if likely < futility:
                self.frozen[place] = True
                note = f"{model.FUTILE}{last} seeds ({100 * likely:.0f} %)"
                self.rows[place] = replace(row, notes=(*row.notes, note))


class Looks:
    """The replayed looks of one plan."""

    def __init__(
        self,
        terms: Terms,
        runs: pd.DataFrame,
        levels: statistics.Levels | None = None,
        cases: CaseSource | None = None,
    ) -> None:
        if terms.available:  # judged once, with whatever there is
            terms = replace(terms, looks=(max(1, different_seeds(terms, runs)),))
        self.terms = terms
        self.values = Values(terms, runs, cases)
        self.series = Series(terms.looks, levels, terms.spending)
        claims = [(claim, True) for claim in terms.claims] + [(claim, False) for claim in terms.amended]
        self.states = [_ClaimState(make_case(claim, self.values, self.series), registered) for claim, registered in claims]
        self.current: Look | None = None  # the current look
        self.corrected: Corrected | None = None  # of the registered claims, at the current look
        self.all_corrected: Corrected | None = None  # of all claims
        self.holding: tuple[tuple[str, int], ...] = ()
        self.stopped_at: int | None = None  # the look at which every registered claim was decided
        self.horizons = dict.fromkeys(terms.labels, terms.looks[0])
        for n in terms.looks:
            if not self._advance(n):
                break

    @property
    def _registered(self) -> list[_ClaimState]:
        return [state for state in self.states if state.registered]

    def _needed(self) -> tuple[str, ...]:
        """The variants of open registered claims; every variant if nothing is registered, or if the plan drops none."""
        if not self.terms.claims or not self.terms.drops_decided:
            return self.terms.labels
        needed = {variant for state in self._registered if not state.closed for variant in state.case.variants}
        return tuple(label for label in self.terms.labels if label in needed)

    def _advance(self, n: int) -> bool:
        """Evaluate the look with `n` seeds; False if it is incomplete or blocked by failed runs."""
        last, first = n == self.terms.looks[-1], n == self.terms.looks[0]
        needed = self.terms.labels if first else self._needed()
        if self.stopped_at is None:
            self.horizons |= dict.fromkeys(needed, n)
        if self.values.complete_for(needed or self.terms.labels) < n:
            return False
        failed = self.values.lost(needed, 0, n)
        sequential = len(self.terms.looks) > 1
        if failed and sequential and not all(claim.failed_counts_as is not None for claim in self.terms.claims):
            self.holding = failed if self.stopped_at is None else ()
            return False
        self.current = Look(n, self.series.level(n, self.terms.alpha), self.terms.alpha)
        # A claim about a variant that this look does not need was closed at an earlier one. Results that exist nevertheless, such
        # as another plan's, must not count: when they appear is not a function of this plan's results.
        present = set(needed or self.terms.labels)
        seen = [state for state in self.states if present.issuperset(state.case.variants)]
        for state in seen:
            state.case.observe(self.current)
        self.corrected = self._correct(self._registered)
        self.all_corrected = self._correct(self.states) if self.terms.amended else self.corrected
        for state in seen:
            state.take(self.current, self.corrected if state.registered else self.all_corrected, self.terms.futility)
        if self.stopped_at is None and (last or (self._registered and all(state.closed for state in self._registered))):
            self.stopped_at = n
        return True

    def _correct(self, states: Sequence[_ClaimState]) -> Corrected:
        """The adjusted p values of the hypotheses of these claims after the looks so far."""
        slots = merge([state.case.slots() for state in states])
        p = {each.key: self.series.p(each.key) for slot in slots for each in slot.hypotheses}
        correction = statistics.Correction(slots, p)
        alpha = self.terms.alpha
        return Corrected(correction.adjusted(), correction.levels(alpha), correction.first_levels(alpha))

    @property
    def registered(self) -> tuple[Difference, ...]:
        """The differences of registered claims, tested or not."""
        return tuple(each for state in self._registered for each in state.case.compared)

    def claimed_row(self, plus: Weights, minus: Weights, metric: str) -> tuple[Claim, Estimate] | None:
        """A claim about a difference, with its estimate, rather one over seeds than one over cases; None without one."""
        found = [
            (state.case.claim, state.rows[place])
            for state in self._registered
            for place, difference in enumerate(state.case.compared)
            if state.rows and (difference.plus, difference.minus, difference.metric) == (plus, minus, metric)
        ]
        return min(found, key=lambda claimed: claimed[1].cases is not None, default=None)

    def cases_of(self, label: str, metric: str) -> int:
        """The number of cases of a variant in claims across cases about the metric; 0 without one."""
        counts = (
            row.cases.n
            for state in self._registered
            if label in state.case.variants and state.case.claim.metric == metric
            for row in state.rows
            if row.cases is not None
        )
        return max(counts, default=0)

    def judgement(self) -> Judgement:
        """The state of the looks and one verdict per claim."""
        return Judgement(
            look=self.current.n if self.current else 0,
            horizons=dict(self.horizons),
            finished=self.stopped_at is not None,
            holding=self.holding,
            verdicts=tuple(map(self._verdict, self.states)),
        )

    def _verdict(self, state: _ClaimState) -> Verdict:
        decided = state.closed_at if state.word != "inconclusive" else None
        seeds = state.closed_at or (self.current.n if self.current else 0)
        corrected = self.corrected if state.registered else self.all_corrected
        rows = self._described(state, corrected) if corrected and state.rows else ()
        notes = [note for row in rows for note in row.notes]
        if decided is not None and decided < self.terms.looks[-1] and not state.case.exact:
            notes.append(model.EARLY)
        if decided is not None:
            lost = self.values.lost(state.case.variants, decided, self.values.seeds, ("diverged", "failed"))
            notes += [f"{self.values.state(label, seed)} {model.LATER}{label} seed {seed}" for label, seed in lost]
        if why := optimistic(state.case.claim.metric, self.terms.metrics):
            notes.append(model.OPTIMISTIC + why)
        return Verdict(
            claim=state.case.claim,
            registration=self._registration(state, seeds or self.terms.looks[0]),
            verdict=state.word,
            notes=tuple(dict.fromkeys(notes)),
            rows=rows,
            decided_at=decided,
            open=not state.closed and self.stopped_at is None,
            run_ids=self.values.run_ids(state.case.matched, seeds),
            optima=state.optima,
            later=self._later(state, corrected) if corrected and decided is not None else None,
            failure_limit=self._failure_limit(state, seeds),
        )

    def _described(self, state: _ClaimState, corrected: Corrected) -> tuple[Estimate, ...]:
        """The rows with their effect sizes, and with remarks about single seeds, each at the look that it is from."""
        if state.case.exact:
            return tuple(state.rows)
        found = []
        for place, row in enumerate(state.rows):
            # The look's number of seeds: that of the row, as rows with missing runs have no sample.
            n = self.terms.looks[0] if self.terms.available else row.n
            sample = state.case.samples(n)[place]
            if sample is None or np.isnan(sample.values).any() or np.isnan(row.p):
                found.append(row)
                continue
            remarks = robustness.remarks(sample, state.case.told_at(place, n, corrected), row.subject)
            # A spread below that of the rounding errors is not known.
            known = isinstance(state.case, ComparisonCase) and not any(note.startswith(model.RESOLUTION) for note in row.notes)
            effect = statistics.effect(sample.values) if known else None
            found.append(replace(row, notes=(*row.notes, *remarks), effect=effect))
        return tuple(found)

    def _later(self, state: _ClaimState, corrected: Corrected) -> Later | None:
        """For a claim with one row: over all seeds of its variants, if some lie beyond its deciding look."""
        n = self.values.complete_for(state.case.variants)
        if state.case.exact or len(state.rows) != 1 or state.closed_at is None or n <= state.closed_at:
            return None
        (sample,) = state.case.samples(n)
        return (
            None if sample is None else robustness.later(sample, state.rows[0], state.case.deciding_level(state.word, corrected))
        )

    def _registration(self, state: _ClaimState, seeds: int) -> Registered | None:
        """What was known of the results with the first `seeds` seeds when the claim was written."""
        if self.terms.written is not None and self.terms.written.after_all:
            known = self.values.count_runs(state.case.matched, seeds)
            return Registered("after", known, known, self.terms.written.at)
        used = self.values.used_runs(state.case.matched, seeds)
        if used is None:
            return None
        compared = {variant for difference in state.case.compared for variant, _ in difference.plus}
        references = {variant for difference in state.case.compared for variant, _ in difference.minus} - compared
        written = self.terms.written if state.registered else self.terms.added
        return registered(written, used, frozenset(references), added=not state.registered, loop=self.terms.loop)

    def _failure_limit(self, state: _ClaimState, n: int) -> float | None:
        """For a supported claim of which no run failed."""
        if state.word != "supported" or state.case.exact or state.case.across == "cases":
            return None
        unknown = self.terms.available and any(row.n < n for row in state.rows)  # whether absent runs had failed
        if unknown or self.values.lost(state.case.variants, 0, n, ("diverged", "failed")):
            return None
        return robustness.failure_limit(n, self.terms.alpha)


def _least(one: float, other: float) -> float:
    return other if np.isnan(one) or other < one else one
