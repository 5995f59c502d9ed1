"""Statistical power of a plan, from the spread seen in earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from harness.experiment.claims import ComparisonClaim, ContrastClaim
from harness.experiment.plan import Plan
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels

TARGET_POWER = 0.8  # the usual target
ASSUMED_SD = 0.20  # percentage points, without earlier runs
MIN_DEGREES_OF_FREEDOM = 2  # to report a standard deviation: three pairs
ROUNDING = 1e-9  # relative to the largest difference: less variation counts as none

Groups = list[list[float]]  # differences by seed, one list per pair of variants


@dataclass(frozen=True)
class Spread:
    """The standard deviation of paired differences, from `pairs` pairs of `plans`; 0 pairs: assumed."""

    sd: float
    pairs: int = 0
    plans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Power:
    """The power of one comparison of two variants, two-sided at `alpha`, uncorrected for multiple comparisons.

    `power` is the probability of detecting a true difference of `margin`, `detectable` the difference with power `TARGET_POWER`,
    `mean_seeds` the expected number of seeds with several looks if the difference is the margin, `needed` the seeds of a fixed
    design with power `TARGET_POWER` for the margin. None: no margin, or the spread is unknown. `comparisons` counts all claimed
    comparisons, for which the p values are corrected later.
    """

    metric: str
    unit: str
    looks: tuple[int, ...]
    alpha: float
    margin: float | None
    comparisons: int
    spread: Spread | None
    power: float | None = None
    detectable: float | None = None
    mean_seeds: float | None = None
    needed: int | None = None

    @property
    def underpowered(self) -> bool:
        """Whether a difference of the margin is missed more often than detected."""
        return self.power is not None and self.power < 0.5


def power_of(store: Store, plan: Plan, metrics: Mapping[str, Metric], levels: Levels | None = None) -> Power | None:
    """The power of a plan; None if there is nothing to compare. Raises StoreError for damaged files of runs.

    For the metric of the first claimed comparison (default: the first of the task) and the smallest margin claimed for it.
    """
    if len(plan.variants) == 1:
        return None
    compared = [claim for claim in plan.claims if isinstance(claim, ComparisonClaim | ContrastClaim)]
    metric = compared[0].metric if compared else next(iter(metrics))
    if metrics[metric].exact:
        return None
    margins = [claim.margin for claim in compared if claim.metric == metric and claim.margin > 0]
    margin = min(margins) if margins else plan.margin if metric == next(iter(metrics)) else None
    known = spread(store, plan, metric) or (Spread(ASSUMED_SD) if metrics[metric].unit == "%" else None)
    count = sum(len(claim.variants) if isinstance(claim, ComparisonClaim) else 1 for claim in compared)
    return evaluate(Power(metric, metrics[metric].unit, plan.looks, plan.alpha, margin or None, count, known), levels)


def evaluate(design: Power, levels: Levels | None = None) -> Power:
    """Compute the results of `Power` from its looks, alpha, margin and spread; not with fewer than 3 seeds. Pure."""
    from harness.analysis import statistics
    from harness.analysis.statistics.power import MIN_SEEDS

    looks, margin, alpha = design.looks, design.margin, design.alpha
    if design.spread is None or looks[-1] < MIN_SEEDS:
        return design
    sd = design.spread.sd
    needed = None if margin is None else statistics.seeds_needed(sd, margin, alpha, TARGET_POWER)[0]
    if len(looks) == 1:
        found = None if margin is None else statistics.power(looks[0], margin, sd, alpha)
        return replace(design, power=found, detectable=statistics.detectable(looks[0], sd, alpha, TARGET_POWER), needed=needed)

    def simulated(difference: float) -> statistics.SequentialPower:
        return statistics.sequential_power(looks, difference, sd, alpha, levels)

    low, high = 0.0, statistics.detectable(looks[-1], sd, alpha, TARGET_POWER)
    while simulated(high).power < TARGET_POWER:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if simulated(middle).power < TARGET_POWER else (low, middle)
    if margin is None:
        return replace(design, detectable=high)
    found_at = simulated(margin)
    return replace(design, power=found_at.power, detectable=high, mean_seeds=found_at.mean_seeds, needed=needed)


def spread(store: Store, plan: Plan, metric: str) -> Spread | None:
    """The spread of differences in earlier runs: of this plan, else of plans that share the runs of its baseline.

    None with fewer than three pairs. Raises StoreError for damaged files of runs; unreadable plans are ignored.
    """
    own = pooled(differences(plan, store.records(run.id for run in plan.runs), plan.over, metric), (plan.name,))
    if own is not None:
        return own
    baseline = {run.id for run in plan.runs if run.variant == plan.baseline}
    groups: Groups = []
    names = []
    for other in store.load_plans()[0]:
        shared = next((run.variant for run in other.runs if run.id in baseline), None)
        if shared is None or other.name == plan.name:
            continue
        records = store.records(run.id for run in other.runs)
        found = differences(other, records, dict.fromkeys(other.variants, shared), metric)
        if any(len(group) > 1 for group in found):
            names.append(other.name)
            groups += found
    return pooled(groups, tuple(names))


def differences(plan: Plan, records: Mapping[str, Record], over: Mapping[str, str], metric: str) -> Groups:
    """Variant minus its reference, seed by seed, of the completed runs: one list per variant."""
    values: dict[str, dict[int, float]] = {label: {} for label in plan.variants}
    for run in plan.runs:
        value = records[run.id].metrics.get(metric) if records[run.id].state == "completed" else None
        if value is not None and isfinite(value):
            values[run.variant][run.seed] = value
    pairs = [(values[label], values[other]) for label, other in over.items() if label != other]
    return [[own[seed] - others[seed] for seed in sorted(own.keys() & others.keys())] for own, others in pairs]


def pooled(groups: Groups, plans: tuple[str, ...]) -> Spread | None:
    """The pooled standard deviation, each group about its own mean: sqrt(sum of squares / sum of (n - 1)).

    None with fewer than `MIN_DEGREES_OF_FREEDOM`, or without variation.
    """
    counted = [group for group in groups if len(group) > 1]
    df = sum(len(group) - 1 for group in counted)
    squares = sum((value - sum(group) / len(group)) ** 2 for group in counted for value in group)
    if df < MIN_DEGREES_OF_FREEDOM:
        return None
    sd = sqrt(squares / df)
    largest = max(abs(value) for group in counted for value in group)
    return Spread(sd, sum(map(len, counted)), plans) if sd > ROUNDING * largest else None
