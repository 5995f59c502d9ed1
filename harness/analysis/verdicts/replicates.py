"""What a claim is tested over: seeds, paired or not, or the cases of an evaluation, which all runs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import isnan, nan, sqrt
from typing import Protocol

import numpy as np

from harness.analysis import statistics
from harness.analysis.statistics import CaseMean, CasePairs, Paired, Rule, Unpaired
from harness.analysis.verdicts import model
from harness.analysis.verdicts.cases import MIN_SEEDS
from harness.analysis.verdicts.model import CaseFacts, SeedsNeeded
from harness.analysis.verdicts.values import Difference, Floats, Values, Weights
from harness.errors import InputError
from harness.store.cases import CaseArrays, CaseSource
from harness.tasks.results import LARGEST

Compared = Paired | Unpaired | CasePairs

EXACT_RUNS = 5  # from here on, Welch's test errs at most 6 % of the time at 5 % (of 3 and 30 runs 7.5 %; simulated)
AGREE = 1e-9  # relative difference between the mean over cases and the recorded metric


class Replicates(Protocol):
    """The tests of differences over one kind of replicate, with the first `n` seeds."""

    def compare(self, difference: Difference, n: int, margin: float | None, level: float, sign: int = 1) -> Compared:
        """The tests of a difference times `sign`; NaN where it is not tested."""

    def untestable(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """Why a difference of a metric with spread cannot be tested, although no run is missing; empty if it can."""

    def notes(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """What to know of a tested difference."""

    def needed(self, found: Sequence[Compared], *, margin: float, level: float, power: float, rule: Rule) -> SeedsNeeded:
        """How many replicates the most variable of `found` needs to be decided with that power."""

    def facts(self, difference: Difference, found: Compared) -> CaseFacts | None:
        """Notes on a test over cases."""


class OverSeeds:
    """Paired by seed."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def compare(self, difference: Difference, n: int, margin: float | None, level: float, sign: int = 1) -> Paired:
        """The paired t test of the seeds that both sides have."""
        one, other = self.values.sides(difference, n)
        both = ~np.isnan(one - other)
        resolution = self.values.resolution(difference.metric, difference.variants, n) * difference.rounding
        return statistics.paired(sign * one[both], sign * other[both], margin, level=level, resolution=resolution)

    def untestable(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """Too few seeds, or values that do not vary with the seed."""
        if found.n < MIN_SEEDS:
            return too_few(self.values, difference.variants, found.n)
        varied = found.sd > 0 or self.values.varies(difference.variants, difference.metric, n)
        return () if varied else (model.DEGENERATE,)

    def notes(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """Whether the spread of the differences is below that of their rounding errors, which the tests then assume."""
        resolution = self.values.resolution(difference.metric, difference.variants, n)
        below = found.sd < resolution * difference.rounding / np.sqrt(6.0)
        return (f"{model.RESOLUTION}{resolution:.4g}",) if below else ()

    def needed(self, found: Sequence[Compared], *, margin: float, level: float, power: float, rule: Rule) -> SeedsNeeded:
        """Seeds; the resolution of the metric may make a standard error larger than the standard deviation alone."""
        spreads: dict[int, float] = {}
        for each in found:
            spreads[each.n] = max(spreads.get(each.n, 0.0), each.se)
        ranges = (statistics.seeds_range(se * sqrt(n), n, margin, level, power, rule=rule) for n, se in spreads.items())
        low, high = zip(*ranges, strict=True)
        return _most(low), _most(high)

    def facts(self, difference: Difference, found: Compared) -> None:
        """None: not over cases."""


class OverRuns:
    """Not paired: the runs of each variant are a sample of their own."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def compare(self, difference: Difference, n: int, margin: float | None, level: float, sign: int = 1) -> Unpaired:
        """Welch's test of all runs."""
        sides = (*difference.plus, *((label, -weight) for label, weight in difference.minus))
        samples, weights = self.values.samples(sides, difference.metric, n, difference.failed_counts_as)
        oriented = [sign * self.values.sign(difference.metric) * weight for weight in weights]
        resolution = self.values.resolution(difference.metric, difference.variants, n)
        return statistics.unpaired(samples, oriented, margin, level, resolution=resolution)

    def untestable(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """Too few runs of a variant, or values that do not vary."""
        return OverSeeds(self.values).untestable(difference, n, found)

    def notes(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """As of seeds; and whether some variant has so few runs that Welch's test errs more often than at its level."""
        few_runs = (model.INEXACT,) if found.n < EXACT_RUNS else ()
        return (*OverSeeds(self.values).notes(difference, n, found), *few_runs)

    def needed(self, found: Sequence[Compared], *, margin: float, level: float, power: float, rule: Rule) -> SeedsNeeded:
        """Runs of each variant."""
        samples = [each for each in found if isinstance(each, Unpaired)]
        low, high = zip(*(statistics.runs_needed(each, margin, level, power, rule=rule) for each in samples), strict=True)
        return _most(low), _most(high)

    def facts(self, difference: Difference, found: Compared) -> None:
        """None: not over cases."""


def over_seeds(values: Values) -> OverSeeds | OverRuns:
    """The tests of differences over seeds, or of runs if they are unpaired."""
    return OverRuns(values) if values.terms.unpaired else OverSeeds(values)


class OverCases:
    """Over the cases that every run of a claim has answered, see `harness.analysis.statistics.cases`."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._known: dict[object, tuple[str, ...]] = {}  # problems

    @cached_property
    def _source(self) -> CaseSource:
        if self.values.cases is None:
            advice = "pass cases=harness.load_cases(), with the results folder if it is not results"
            raise InputError(f"a claim is across cases, but there are no cases to judge it on; {advice}")
        return self.values.cases

    def scale(self, metric: str) -> float:
        """Outcomes times this are in the unit of the metric."""
        return 100.0 if self.values.terms.metrics[metric].unit == "%" else 1.0

    def problems(self, labels: Sequence[str], metric: str, n: int) -> tuple[str, ...]:
        """Why the cases of the variants cannot be compared; empty if all runs have the same cases with outcomes of the metric."""
        key = (tuple(labels), metric, n)
        if key not in self._known:
            self._known[key] = self._find_problems(labels, metric, n)
        return self._known[key]

    def _find_problems(self, labels: Sequence[str], metric: str, n: int) -> tuple[str, ...]:
        if len(self.values.terms.looks) > 1:  # refused in a file, but it may be added to that of a plan with looks
            return (model.LOOKED_AT,)
        found: list[str] = []
        runs = [(label, seed) for label in labels for seed in self.values.common_seeds(labels, n)]
        if not runs:
            return too_few(self.values, labels, 0)
        known: dict[tuple[str, int], CaseArrays] = {}
        for label, seed in runs:
            cases = self._source(self.values.run_id(label, seed))
            if isinstance(cases, str):
                found.append(f"{model.CASES_OF}{label} seed {seed}: {cases}")
            elif metric not in cases.values:
                found.append(f"{model.CASES_OF}{label} seed {seed}: no outcomes of {metric}")
            elif self._disagrees(cases, label, seed, metric, n):
                found.append(f"{model.CASES_OF}{label} seed {seed}: their mean is not its {metric}")
            else:
                known[label, seed] = cases
        if found:
            return tuple(found)
        everything = set().union(*(own.ids.tolist() for own in known.values()))
        for (label, seed), own in known.items():
            if lacking := len(everything) - len(own.ids):
                found.append(f"{model.CASES_OF}{label} seed {seed}: {lacking:,d} of {len(everything):,d} are missing")
        first = next(iter(known.values()))
        for (label, seed), own in known.items():
            if not found and not _same_groups(first, own):
                return (f"{model.CASES_OF}{label} seed {seed}: other groups than those of {runs[0][0]} seed {runs[0][1]}",)
        return tuple(found)

    def _disagrees(self, cases: CaseArrays, label: str, seed: int, metric: str, n: int) -> bool:
        recorded = float(self.values.column(label, metric, n)[self.values.order.index(seed)])
        if not (np.abs(cases.values[metric]) <= LARGEST).all():
            return True
        mean = self.scale(metric) * float(cases.values[metric].mean())
        return not abs(mean - recorded) <= AGREE * max(1.0, abs(recorded))

    def _outcomes(self, weights: Weights, metric: str, seeds: Sequence[int]) -> Floats:
        """The weighted sum of outcomes [seed, case], as they were written."""
        total: Floats = np.zeros(())
        for label, weight in weights:
            runs = [self._source(self.values.run_id(label, seed)) for seed in seeds]
            total = total + weight * np.stack([own.values[metric] for own in runs if isinstance(own, CaseArrays)])
        return total

    def _groups(self, label: str, seeds: Sequence[int]) -> object:
        found = self._source(self.values.run_id(label, seeds[0]))
        return found.groups if isinstance(found, CaseArrays) else None

    def compare(self, difference: Difference, n: int, margin: float | None, level: float, sign: int = 1) -> CasePairs:
        """The tests over cases; NaN with its mean over seeds where the cases have `problems`."""
        metric, one, other = difference.metric, *self.values.sides(difference, n)
        seeds, of_seeds = self.values.common_seeds(difference.variants, n), one - other
        if np.isnan(of_seeds[self.values.exist(difference.variants, n)]).any() or self.problems(difference.variants, metric, n):
            both = ~np.isnan(of_seeds)
            mean = sign * float(of_seeds[both].mean()) if both.any() else nan
            return CasePairs(0, mean, nan, nan, nan, (nan, nan), nan, nan, nan, len(seeds), None)
        sides = [self._outcomes(side, metric, seeds) for side in (difference.plus, difference.minus)]
        left, right = sides if sign * self.values.sign(metric) > 0 else sides[::-1]
        groups = self._groups(difference.variants[0], seeds)
        return statistics.case_pairs(left, right, margin or 0.0, level, groups=groups, scale=self.scale(metric))  # type: ignore[arg-type]

    def untestable(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:
        """Cases with `problems`, too few of them, or none that differ."""
        problems = self.problems(difference.variants, difference.metric, n)
        assert isinstance(found, CasePairs)
        return problems or (few(found.n, found.groups) if isnan(found.p) else ())

    def notes(self, difference: Difference, n: int, found: Compared) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """None."""
        return ()

    def needed(self, found: Sequence[Compared], *, margin: float, level: float, power: float, rule: Rule) -> SeedsNeeded:
        """Cases."""
        pairs = [each for each in found if isinstance(each, CasePairs)]
        low, high = zip(*(statistics.cases_needed(each, margin, level, power, rule=rule) for each in pairs), strict=True)
        return _most(low), _most(high)

    def facts(self, difference: Difference, found: Compared) -> CaseFacts:
        """Seeds, groups and counts of outcomes."""
        assert isinstance(found, CasePairs)
        outcomes = found.outcomes
        if outcomes is not None and self.values.sign(difference.metric) < 0:  # the sides were exchanged
            outcomes = replace(outcomes, only_variant=outcomes.only_baseline, only_baseline=outcomes.only_variant)
        return CaseFacts(found.n, found.seeds, found.groups, outcomes is not None, outcomes)

    def mean(self, weights: Weights, metric: str, n: int, bound: float, level: float) -> CaseMean:
        """The mean of variants against a number, not oriented; not if there are `problems`."""
        seeds = self.values.common_seeds([label for label, _ in weights], n)
        outcomes, groups = self._outcomes(weights, metric, seeds), self._groups(weights[0][0], seeds)
        return statistics.case_mean(outcomes, bound, level, groups=groups, scale=self.scale(metric))  # type: ignore[arg-type]


def too_few(values: Values, labels: Sequence[str], n: int) -> tuple[str, ...]:
    """Why there is no test of the variants over `n` seeds, or with `n` runs of one of them."""
    if values.terms.unpaired:
        return (model.FEW_RUNS,)
    return (model.NO_COMMON if n == 0 and len(labels) > 1 else model.FEW,)


def few(n: int, groups: int | None) -> tuple[str, ...]:
    """Why there is no test of that many cases, in groups or not."""
    if groups is not None and groups < statistics.MIN_GROUPS:
        return (model.FEW_GROUPS,)
    return (model.FEW_CASES,) if n < statistics.MIN_CASES else (model.SAME_CASES,)


def _same_groups(one: CaseArrays, other: CaseArrays) -> bool:
    if one.groups is None or other.groups is None:
        return one.groups is other.groups
    return bool(np.array_equal(one.groups, other.groups))


def _most(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None
