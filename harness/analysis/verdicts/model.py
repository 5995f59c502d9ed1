"""The results of judging: estimates, verdicts, the state of the looks, and the table of variants.

Differences in estimates are oriented: positive is better, so losses and times are negated; `as_measured` undoes this. NaN: not
defined, such as a p value when the seed has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.analysis.verdicts.registration import Registered
from harness.experiment.claims import Claim

# `waiting`: before the first look no estimate is shown.
Word = Literal["supported", "refuted", "equivalent", "inconclusive", "waiting"]
Interval = tuple[float, float]

# Notes. Runs without a value give `failed: b seed 3`, `diverged: …`, `not measured: …`; constants that end or begin with a space
# are parts of a note: `improves from 0.5 to 0.6`, `parameters does not increase with width`.
NEGLIGIBLE = "detectable but negligible"
EXCEEDS = "exceeds the margin"
NO_GAIN = "no practical gain"
NO_LOSS = "no practical loss"
DEGENERATE = "degenerate"  # the seed has no effect
FEW = "fewer than 3 seeds"
RISES = "improves from "
NO_DOSE = " does not increase with "
EARLY = "early stop"  # decided before the last look: the effect is overestimated


@dataclass(frozen=True)
class Estimate:
    """An estimate for a claim, with its test.

    `mean`, `sd` (over seeds, ddof 1) and `interval` (t, at 1 - `level`) are in the unit of the metric: an oriented difference, or
    the value of the variant (threshold), or the tested statistic (dose claims). `p` is valid at any look; `p_adjusted` is
    corrected for the other claims of its family; so is `p_equivalence` (no_gain, no_loss: p of the bound, uncorrected; NaN
    without a margin). `p_contrary` is the adjusted p of the opposite of a threshold or dose claim, which refutes it; NaN without
    such a test. `rho` is the correlation of the two sides over seeds.
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
    seeds_needed: tuple[int, int] | None  # if inconclusive: seeds needed with the observed sd, and with its upper limit


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
    e_value: float | None = None  # over all seeds, if some lie beyond the last look: evidence if at least 1 / alpha

    @property
    def registered(self) -> bool:
        """Whether the plan has held the claim since before any of its results was known."""
        return self.registration is not None and not self.registration.retrospective and not self.registration.added

    @property
    def retrospective(self) -> bool:
        """Whether some of its results were known when it was written: it is no evidence."""
        return self.registration is not None and self.registration.retrospective


@dataclass(frozen=True)
class Judgement:
    """The state of the looks. Seeds below `horizon` should be trained; failed runs in `holding` block the next look."""

    look: int  # the current look [seeds]; 0: none yet
    horizon: int
    finished: bool  # the last look was reached or every claim is decided
    holding: tuple[tuple[str, int], ...]  # (variant, seed)
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Row:
    """A variant in the table. Floats are in the unit of the metric, NaN where not defined.

    `mean` and `sd` (ddof 1) are over `n` runs; `difference` (variant minus `over`, not oriented) with its interval over `pairs`
    seeds; `p` is adjusted within its family, NaN without a test or if the table is not at the look of the verdicts. A row that
    is not `claimed` is exploratory.
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
    """One row per variant, in the order of the plan, over the first `seeds` seeds; 0: no differences before the first look."""

    metric: str
    seeds: int
    level: float  # intervals are at 1 - level
    rows: tuple[Row, ...]
