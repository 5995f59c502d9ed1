"""Arrays over seeds from a data frame of runs, and which values are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import sample as statistics
from harness.analysis.verdicts.terms import Terms
from harness.experiment.claims import DoseClaim, is_grid, members
from harness.experiment.claims.model import within

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Run = tuple[str, int]  # variant, seed
Weights = tuple[tuple[str, float], ...]  # of variants
FINISHED = ("completed", "diverged", "failed")


@dataclass(frozen=True)
class Difference:
    """The weighted sum of `plus` minus that of `minus`, seed by seed, of a metric.

    Equal differences are one test, also when several claims contain it.
    """

    subject: str
    over: str | None
    plus: Weights
    minus: Weights
    metric: str
    failed_counts_as: float | None = None

    @property
    def rounding(self) -> float:
        """The standard deviation of its rounding errors, relative to that of a difference of two values."""
        return sqrt(sum(weight**2 for _, weight in (*self.plus, *self.minus)) / 2.0)

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants in the difference."""
        return tuple(dict.fromkeys(variant for variant, _ in (*self.plus, *self.minus)))


class Values:
    """The runs of a plan: states and metrics by seed and variant, the first `n` seeds being the `n` least."""

    def __init__(self, terms: Terms, runs: pd.DataFrame) -> None:
        own = runs[runs["variant"].isin(terms.labels)]
        self.terms, self.runs = terms, own
        self.order = sorted(map(int, set(own["seed"])))
        self.seeds = len(self.order)
        self.states = self._wide("state")
        self._metrics: dict[str, pd.DataFrame] = {}

    def _wide(self, column: str) -> pd.DataFrame:
        wide = self.runs.pivot(index="seed", columns="variant", values=column)
        return wide.reindex(index=self.order, columns=list(self.terms.labels))

    def _metric(self, name: str) -> pd.DataFrame:
        if name not in self._metrics:
            wide = self._wide(name if name in self.runs else "seed").astype(float).replace([np.inf, -np.inf], np.nan)
            self._metrics[name] = wide.where((self.states == "completed") & (name in self.runs))
        return self._metrics[name]

    def column(self, label: str, metric: str, n: int, failed_counts_as: float | None = None) -> Floats:
        """The metric of a variant [seed], of the first `n`; NaN if it failed, diverged, is unfinished or was not measured."""
        found = self._metric(metric)[label].iloc[:n]
        if failed_counts_as is not None:
            found = found.mask(self.states[label].iloc[:n].isin(["failed", "diverged"]), failed_counts_as)
        return found.to_numpy(dtype=float)

    def mean(self, weights: Sequence[tuple[str, float]], metric: str, n: int, failed_counts_as: float | None = None) -> Floats:
        """The weighted sum over variants [seed], of the first `n`."""
        total = np.zeros(n)
        for label, weight in weights:
            total = total + weight * self.column(label, metric, n, failed_counts_as)
        return total

    def sides(self, difference: Difference, n: int) -> tuple[Floats, Floats]:
        """Both sides [seed], of the first `n`, oriented: higher is better."""
        sign = self.sign(difference.metric)
        args = (difference.metric, n, difference.failed_counts_as)
        return sign * self.mean(difference.plus, *args), sign * self.mean(difference.minus, *args)

    def sign(self, metric: str) -> int:
        """1 if higher is better, else -1."""
        return -1 if self.terms.metrics[metric].goal == "minimize" else 1

    def missing(self, labels: Sequence[str], metric: str, n: int, failed_counts_as: float | None) -> tuple[str, ...]:
        """The runs [seed], of the first `n` without a value, each as `diverged: b seed 3`."""
        found = []
        for label in labels:
            values, states = self.column(label, metric, n, failed_counts_as), self.states[label].iloc[:n]
            for place in np.flatnonzero(np.isnan(values)):
                state = str(states.iloc[place])
                found.append(f"{state if state in ('failed', 'diverged') else 'not measured'}: {label} seed {self.order[place]}")
        return tuple(found)

    def complete_for(self, labels: Iterable[str]) -> int:
        """The number of leading seeds whose runs of these variants have all finished."""
        waiting = np.flatnonzero(~self.states[list(labels)].isin(FINISHED).to_numpy().all(axis=1))
        return int(waiting[0]) if len(waiting) else self.seeds

    def lost(self, labels: Iterable[str], start: int, stop: int, states: Sequence[str] = ("failed",)) -> tuple[Run, ...]:
        """The runs of these variants that failed (or ended in one of `states`), from seed number `start` up to `stop`."""
        own = [label for label in self.terms.labels if label in set(labels)]
        places, columns = np.nonzero(self.states[own].iloc[start:stop].isin(states).to_numpy())
        return tuple((own[column], self.order[start + place]) for place, column in zip(places, columns, strict=True))

    def resolution(self, metric: str, n: int) -> float:
        """The step of the metric: declared, 100 over the number of test cases, or the smallest seen in the first `n` seeds."""
        known = self.terms.metrics[metric]
        step = known.resolution or 0.0
        if known.cases is not None and known.cases in self.runs:
            step = max(step, 100.0 / float(self.runs[known.cases].min()))
        if step > 0 and np.isfinite(step):
            return step
        seen = np.unique(self._metric(metric).iloc[:n].to_numpy(dtype=float))
        seen = seen[~np.isnan(seen)]
        steps = np.diff(seen)
        steps = steps[steps > statistics.ROUNDING * np.abs(seen).max(initial=0.0)]
        return float(steps.min()) if len(steps) else 0.0

    def varies(self, labels: Sequence[str], metric: str, n: int) -> bool:
        """Whether the values of any of the variants vary over the first `n` seeds."""
        columns = [self.column(label, metric, n) for label in labels]
        return any(np.ptp(own) > statistics.ROUNDING * np.abs(own).max() for own in columns if len(own))

    def run_ids(self, labels: Sequence[str], n: int) -> tuple[str, ...]:
        """The ids of the runs of the variants with the first `n` seeds, if the frame has ids."""
        if "id" not in self.runs:
            return ()
        chosen = self.runs[self.runs["variant"].isin(labels) & self.runs["seed"].isin(self.order[:n])]
        return tuple(map(str, chosen["id"]))

    def doses(self, claim: DoseClaim) -> Mapping[str, tuple[str, ...]]:
        """Levels of a dose claim, by increasing dose -> their variants."""
        levels = self.terms.factors[claim.factor]
        found = {}
        for level, _ in sorted(levels.items(), key=lambda item: (item[1] is None, item[1])):
            where = {**claim.where, claim.factor: level}
            members_of_level = tuple(label for label, own in self.terms.levels.items() if within(own, where))
            if len(members_of_level) > 1 and not is_grid(self.terms.levels):
                # One factor at a time: use only variants that differ from the baseline in this factor alone.
                base = {name: own for name, own in self.terms.levels[self.terms.baseline].items() if name != claim.factor}
                members_of_level = (
                    tuple(label for label in members_of_level if within(self.terms.levels[label], base)) or members_of_level
                )
            if members_of_level:
                found[level] = members_of_level
        return found

    def variants(self, label: str, where: Mapping[str, str]) -> tuple[str, ...]:
        """The variants that a label refers to in a slice."""
        return members(label, self.terms.levels, where)

    def difference(
        self, label: str, over: str, metric: str, where: Mapping[str, str] | None = None, failed_counts_as: float | None = None
    ) -> Difference:
        """The comparison of two labels, each of which may refer to several variants of a grid."""
        plus, minus = (self.variants(side, where or {}) for side in (label, over))
        return Difference(label, over, equal(plus), equal(minus), metric, failed_counts_as)


def equal(labels: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Equal weights: the mean over variants."""
    return tuple((label, 1.0 / len(labels)) for label in labels)
