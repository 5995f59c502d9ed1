"""Statistical power of a plan under its own correction, from the spread seen in earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING

from harness.analysis.verdicts import terms
from harness.experiment.plan import Plan
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.analysis.statistics import Levels, Rule
    from harness.analysis.verdicts.planned import PlannedTest

TARGET_POWER = 0.8  # the usual target
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
    """The power of a comparison at the overall `level` that the plan's correction leaves it while no claim is decided.

    `rule` says what is tested, and `power` is the probability of supporting the claim: of a direction if the true difference is
    the margin, else if it is 0 (equivalence, bound). Of a claim for which `together` differences must pass, it is that of
    independent differences; a shared reference makes it larger. The standard deviation of the tested values is `scale` times the
    spread. `detectable` is the margin with power `TARGET_POWER`, `mean_seeds` the expected number of seeds with
    several looks at that true difference, `needed` the seeds of a fixed design with power `TARGET_POWER`; without it, although
    there is a `power`, it is more than 1,000. None: no margin, or the spread is unknown.
    """

    metric: str
    unit: str
    looks: tuple[int, ...]
    alpha: float
    margin: float | None
    level: float
    spread: Spread | None
    rule: Rule = "direction"
    together: int = 1
    scale: float = 1.0
    claimed: bool = True  # False: of an exploratory comparison, as no claim compares variants
    power: float | None = None
    detectable: float | None = None
    mean_seeds: float | None = None
    needed: int | None = None

    @property
    def underpowered(self) -> bool:
        """Whether the claim is missed more often than supported; if several must pass, each of them."""
        return self.power is not None and self.power < 0.5**self.together

    @property
    def sd(self) -> float | None:
        """The standard deviation of the tested values."""
        return None if self.spread is None else self.spread.sd * self.scale


def power_of(
    store: Store, plan: Plan, metrics: Mapping[str, Metric], levels: Levels | None = None, sd: float | None = None
) -> Power | None:
    """The power of a plan; None if there is nothing to compare over seeds. Raises StoreError for damaged files of runs.

    Of the claimed comparison that needs most seeds, of those of the metric compared first; if no claim compares variants, of an
    exploratory comparison of the first metric. `sd`: a standard deviation of paired differences to assume, instead of that of
    earlier runs.
    """
    from harness.analysis.verdicts.planned import PlannedTest, planned_tests

    if len(plan.variants) == 1:
        return None
    first = next(iter(metrics))
    claimed = planned_tests(terms(plan)) if plan.claims else ()
    if not claimed and any(getattr(claim, "across", "seeds") == "cases" for claim in plan.claims):
        return None
    tests = claimed or (PlannedTest(first, "direction", plan.margin or 0.0, plan.alpha),)
    metric = tests[0].metric
    if metrics[metric].exact:
        return None
    known = Spread(sd) if sd is not None else spread(store, plan, metric) or usual(plan, metrics[metric])
    designs = [_design(plan, test, metrics[metric].unit, known, bool(claimed)) for test in tests if test.metric == metric]
    return evaluate(_most_demanding(designs), levels)


def _design(plan: Plan, test: PlannedTest, unit: str, known: Spread | None, claimed: bool) -> Power:
    margin = test.margin if test.margin > 0 else None
    return Power(
        metric=test.metric,
        unit=unit,
        looks=plan.looks,
        alpha=plan.alpha,
        margin=margin,
        level=test.level,
        spread=known,
        rule=test.rule,
        together=test.together,
        scale=test.scale,
        claimed=claimed,
    )


def _most_demanding(designs: Sequence[Power]) -> Power:
    """The design that needs most seeds; with an unknown spread, if it is as large as the smallest margin."""
    margins = [design.margin for design in designs if design.margin is not None]
    if not margins or len(set(designs)) == 1:
        return designs[0]

    def demand(design: Power) -> float:
        sized = replace(design, spread=design.spread or Spread(min(margins)))
        return 0.0 if design.margin is None else _needed(sized) or inf

    return max(designs, key=demand)


def evaluate(design: Power, levels: Levels | None = None) -> Power:
    """Compute the results of `Power` from its looks, level, margin and spread; not with fewer than 3 seeds. Pure."""
    from harness.analysis import statistics
    from harness.analysis.statistics.power import MIN_SEEDS

    looks, margin, level, sd, rule = design.looks, design.margin, design.level, design.sd, design.rule
    if sd is None or looks[-1] < MIN_SEEDS:
        return design
    each = statistics.single_power(design.together, TARGET_POWER)
    design = replace(design, detectable=statistics.detectable(looks[-1], sd, level, each, rule=rule), needed=_needed(design))
    if len(looks) == 1:
        found = None if margin is None else statistics.power(looks[0], margin, sd, level, rule=rule) ** design.together
        return replace(design, power=found)

    def simulated(of: float) -> statistics.SequentialPower:
        return statistics.sequential_power(looks, of, sd, level, levels, rule=rule)

    low, high = 0.0, design.detectable or 0.0
    while simulated(high).power < each:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if simulated(middle).power < each else (low, middle)
    if margin is None:
        return replace(design, detectable=high)
    found_at = simulated(margin)
    # With several differences, the one that takes longest decides how many seeds are trained.
    mean_seeds = found_at.mean_seeds if design.together == 1 else None
    return replace(design, power=found_at.power**design.together, detectable=high, mean_seeds=mean_seeds)


def _needed(design: Power) -> int | None:
    from harness.analysis import statistics

    if design.margin is None or design.sd is None:
        return None
    each = statistics.single_power(design.together, TARGET_POWER)
    return statistics.seeds_needed(design.sd, design.margin, design.level, each, rule=design.rule)


def usual(plan: Plan, metric: Metric) -> Spread | None:
    """The spread that the task states for full runs on the plan's data; None for a rehearsal, or if it states none."""
    found = {metric.usual_sd.get(fingerprint.partition(":")[0]) for fingerprint in plan.data.values()}
    (sd,) = found if len(found) == 1 else (None,)
    return None if sd is None or plan.rehearsal else Spread(sd)


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
