"""The results of judging: estimates, verdicts, the state of the looks, and the table of variants.

Differences in estimates are oriented: positive is better, so losses and times are negated; `as_measured` undoes this. NaN: not
defined, such as a p value when the seed has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.analysis.verdicts.registration import Registered
from harness.experiment.claims import Claim

if TYPE_CHECKING:
    from harness.analysis.statistics import Effect, Outcomes

# `waiting`: before the first look no estimate is shown.
Word = Literal["supported", "refuted", "equivalent", "inconclusive", "waiting"]
Interval = tuple[float, float]

# How many fresh seeds decide a comparison with probability 80 % in a plan with the same claims, none of which is decided yet: if
# the true standard deviation is that observed, and if it is its upper 80 % confidence limit. None: more than 1,000. The true
# difference is the margin for claims about a direction, and 0 for those that there is no difference beyond the margin.
SeedsNeeded = tuple[int | None, int | None]

# Notes. Runs without a value give `failed: b seed 3`, `diverged: …`, `not measured: …`, `out of range: …`; constants that end or
# begin with a space are parts of a note: `improves from 0.5 to 0.6`, `parameters does not increase with width`.
OUT_OF_RANGE = "out of range"  # a value that is infinite, or too large to calculate with
NEGLIGIBLE = "detectable but negligible"
EXCEEDS = "exceeds the margin"
NO_GAIN = "no practical gain"
NO_LOSS = "no practical loss"
ALONE = "within the bound by itself"  # a variant of a bound on several: uncorrected, and all have to be
DEGENERATE = "degenerate"  # the seed has no effect
FEW = "fewer than 3 seeds"
FEW_RUNS = "fewer than 3 runs of a variant"  # unpaired
NO_COMMON = "no seed in common"
INEXACT = "fewer than 5 runs of a variant"  # unpaired: tested, but the error rate is not held
FEW_CASES = "fewer than 5 cases"
FEW_GROUPS = "fewer than 10 groups"
SAME_CASES = "all cases are the same"  # have the same difference, or outcome: no spread
LOOKED_AT = "cases of a plan with looks are not judged"
CASES_OF = "cases of "  # b seed 3: 12 of 400 are missing
RISES = "improves from "
NO_DOSE = " does not increase with "
EARLY = "early stop"  # decided before the last look: the effect is overestimated
FUTILE = "unlikely to be decided by "  # 20 seeds (4 %)
APART = " stands apart: "  # seed 3 (b) stands apart: without it supported
RESOLUTION = "the differences vary less than the metric's smallest known step of "  # 0.01
DRIFTS = "the difference drifts with the number of the seed"
OPTIMISTIC = "optimistic: "  # the best of all test values of a run
LATER = "after the deciding look: "  # diverged after the deciding look: b seed 7


@dataclass(frozen=True)
class CaseFacts:
    """What an estimate across cases was computed from; `exact`: all outcomes are 0 or 1, of one seed without groups."""

    n: int
    seeds: int
    groups: int | None
    exact: bool
    outcomes: Outcomes | None = None  # of a comparison with exact tests


@dataclass(frozen=True)
class Estimate:
    """An estimate for a claim, with its test.

    `mean`, `sd` (over seeds, ddof 1) and `interval` (t, at 1 - `level`) are in the unit of the metric: an oriented difference, or
    the value of the variant (threshold), or the tested statistic (dose claims). `p` is valid at any look (two-sided; of no_gain
    and no_loss one-sided, of the difference that refutes them); `p_adjusted` is corrected for all other hypotheses of the plan;
    so is `p_equivalence` (no_gain, no_loss: of the bound; in a list of the joint bound, or of that of the row where this
    supports it; NaN without a margin). `p_contrary` is the adjusted p of what refutes a claim: of the opposite of a threshold
    or dose claim, of lying beyond the margin for a claim of equivalence; NaN without such a test. `rho` is the correlation of
    the two sides over seeds. With `cases`, the claim is across cases: `n`, `sd` and `seeds_needed` are of cases. With `runs`,
    it is unpaired: `n` is the least of them, `sd` that of the difference of single runs, and `seeds_needed` are runs of each
    variant.
    """

    subject: str  # label of a variant; the contrast; the factor of a dose claim
    over: str | None
    verdict: Word
    notes: tuple[str, ...]
    n: int
    mean: float
    sd: float
    interval: Interval | None
    level: float
    p: float
    p_adjusted: float
    p_equivalence: float
    p_contrary: float
    rho: float
    seeds_needed: SeedsNeeded | None  # of an inconclusive comparison
    effect: Effect | None = None  # of the mean over seeds that the estimate is, if it is one
    cases: CaseFacts | None = None  # of a claim across cases
    runs: tuple[int, ...] = ()  # of an unpaired comparison: of each variant, those of the claimed one first
    absent: int = 0  # seeds that it is not over, as not all its variants have a run with them


@dataclass(frozen=True)
class Later:
    """All seeds of a decided claim, including those beyond its deciding look; 95 % interval.

    `e_value` is evidence against a mean on the other side of what the claim was compared with, valid at any number of seeds:
    `favours` says for which side; it counts from `e_needed` on, which is corrected for the other claims.
    """

    n: int
    mean: float
    interval: Interval
    e_value: float
    favours: Literal["verdict", "opposite"]
    e_needed: float
    contradicts: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim. `rows` has one estimate per variant of a list, else one; none while waiting."""

    claim: Claim
    registration: Registered | None  # None: unknown, such as for an experiment without a plan
    verdict: Word
    notes: tuple[str, ...]
    rows: tuple[Estimate, ...]
    decided_at: int | None  # the look [seeds] that decided it; None: not decided
    open: bool  # whether later looks may decide it
    run_ids: tuple[str, ...]
    optima: tuple[str, ...] = ()  # best_in_range: levels that may be the best
    later: Later | None = None  # for a claim with one row, if seeds beyond its deciding look have finished
    failure_limit: float | None = None  # supported: the largest failure rate that the seeds do not exclude, at alpha

    @property
    def contradicted(self) -> bool:
        """Whether later seeds say the opposite of the verdict."""
        return self.later is not None and self.later.contradicts

    @property
    def optimistic(self) -> bool:
        """Whether its metric is the best of several values of a run."""
        return any(note.startswith(OPTIMISTIC) for note in self.notes)

    @property
    def registered(self) -> bool:
        """Whether the plan has held the claim since before any of its results was known."""
        return self.registration is not None and not self.registration.retrospective and not self.registration.added

    @property
    def retrospective(self) -> bool:
        """Whether some of its results were known when it was written: it is not evidence."""
        return self.registration is not None and self.registration.retrospective


@dataclass(frozen=True)
class Judgement:
    """The state of the looks. Of each variant as many seeds as `horizons` says should be trained; later looks need only variants
    with an open claim. Failed runs in `holding` block the next look."""

    look: int  # the current look [seeds]; 0: none yet
    horizons: Mapping[str, int]  # variant -> seeds
    finished: bool  # the last look was reached or every claim is decided
    holding: tuple[tuple[str, int], ...]  # (variant, seed)
    verdicts: tuple[Verdict, ...]

    @property
    def horizon(self) -> int:
        """The largest number of seeds that should be trained."""
        return max(self.horizons.values())


@dataclass(frozen=True)
class Row:
    """A variant in the table. Floats are in the unit of the metric, NaN where not defined.

    `mean` and `sd` (ddof 1) are over `n` runs; `difference` (variant minus `over`, not oriented) with its interval at 1 - `level`
    over `pairs` seeds; `p` is corrected for all hypotheses of the plan, NaN without a test or if the table is not at the look of
    the verdicts. It is that of a `bound` for a claim of no gain or no loss that is not refuted. A row that is not `claimed` is
    exploratory.
    """

    variant: str
    over: str | None
    n: int
    mean: float
    sd: float
    pairs: int
    difference: float
    interval: Interval | None
    p: float
    claimed: bool
    rho: float
    level: float
    cases: int = 0  # of a claim across cases about its difference, whose interval and p it then shows; 0: it is over seeds
    seeds: int = 0  # leading seeds that it is over, fewer than the table's if its claims were closed earlier; 0: all
    runs: tuple[int, ...] = ()  # of an unpaired difference: of the variant, of `over`; `pairs` is then the least of them
    absent: int = 0  # seeds that the difference is not over, as the variant or `over` has no run with them
    bound: bool = False


@dataclass(frozen=True)
class Table:
    """One row per variant, in the order of the plan, over the first `seeds` seeds; 0: no differences before the first look.

    Intervals are at 1 - `level`, except those of rows that have fewer seeds because their claims were decided earlier.
    """

    metric: str
    seeds: int
    level: float
    rows: tuple[Row, ...]
