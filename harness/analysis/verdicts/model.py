"""What judging gives: estimates, verdicts, where the looks stand, and the table of variants.

Differences in estimates are oriented: positive is better, so a loss or a time is negated. `as_measured` turns them back.
NaN stands for what is not defined: a p value where the seed had no effect, a margin that nobody declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.experiment.claims import Claim

# `waiting`: no look is in force yet, so that nothing is shown.
Word = Literal["supported", "refuted", "equivalent", "inconclusive", "waiting"]
Interval = tuple[float, float]

# Notes; those on runs without a value are `failed: b seed 3`, `diverged: …`, `not measured: …`; those that end or begin with a
# space go on: `improves from 0.5 to 0.6`, `parameters does not increase with width`.
NEGLIGIBLE = "detectable but negligible"
EXCEEDS = "exceeds the margin"
NO_GAIN = "no practical gain"
NO_LOSS = "no practical loss"
DEGENERATE = "degenerate"  # the seed had no effect
FEW = "fewer than 3 seeds"
RISES = "improves from "
NO_DOSE = " does not increase with "
EARLY = "early stop"  # decided before the last look: the effect is overestimated


@dataclass(frozen=True)
class Estimate:
    """A number that a claim is about, with its test.

    `mean`, `sd` (of the seeds' values, ddof 1) and `interval` (t, at 1 - `level`) are in the metric's unit: an oriented
    difference, or of a threshold the variant's own value; a dose claim has the number that its test is about. `p` is valid
    at any look; `p_adjusted` is corrected for the other claims of its family; `p_equivalence` too (of no_gain and no_loss:
    that of the bound, uncorrected; NaN where no margin is tested). `p_contrary` is the same as `p_adjusted` of what refutes a
    claim about a dose or a number: the other side, the other slope; NaN where no such test is. `rho` is the correlation of the
    two sides over seeds.
    """

    subject: str  # label of a variant; of a contrast or a dose claim, what it is about
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
    seeds_needed: tuple[int, int] | None  # inconclusive: so many seeds would settle it, from the sd seen to its upper limit


@dataclass(frozen=True)
class Verdict:
    """What is said of a claim. `rows` has an estimate for each variant of a list, else one; none while it waits."""

    claim: Claim
    registered: bool  # False: the file claims it since runs were seen
    verdict: Word
    notes: tuple[str, ...]
    rows: tuple[Estimate, ...]
    decided_at: int | None  # the look [seeds] at which it froze; None: not decided
    open: bool  # whether further looks may still decide it
    run_ids: tuple[str, ...]
    optima: tuple[str, ...] = ()  # best_in_range: levels that may be the best
    e_value: float | None = None  # of all seeds, where the plan has some beyond the last look: evidence at 1 / alpha and above


@dataclass(frozen=True)
class Judgement:
    """Where the looks stand. Seeds below `horizon` are to be trained; runs in `holding` failed and hold the next look."""

    look: int  # in force [seeds]; 0: none yet
    horizon: int
    finished: bool  # the last look, or every claim decided
    holding: tuple[tuple[str, int], ...]  # (variant, seed)
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Row:
    """A variant in the table. Floats are in the metric's unit, NaN where there is none.

    `mean` and `sd` (ddof 1) are over `n` runs; `difference` (variant minus `over`, not oriented) with its interval over `pairs`
    seeds; `p` is adjusted within its family, NaN where none is or the look of the verdicts is another. Where no claim is about
    this row (`claimed`), it is exploratory.
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


@dataclass(frozen=True)
class Table:
    """A row a variant, in the plan's order, over the first `seeds` seeds; 0: too early to show a difference."""

    metric: str
    seeds: int
    level: float  # intervals are at 1 - level
    rows: tuple[Row, ...]
