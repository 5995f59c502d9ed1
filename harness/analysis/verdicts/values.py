"""Arrays over seeds from a data frame of runs, and which values are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.analysis.verdicts.registration import UsedRun
from harness.analysis.verdicts.terms import Terms
from harness.experiment.claims import DoseClaim, is_grid, members
from harness.experiment.claims.model import within

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
FINISHED = ("completed", "diverged", "failed")


@dataclass(frozen=True)
class Difference:
    """The weighted sum of `plus` minus that of `minus`, seed by seed, of a metric.

    Equal differences are one test, also when several claims contain it.
    """

    subject: str
    over: str | None
    plus: tuple[tuple[str, float], ...]  # (variant, weight)
    minus: tuple[tuple[str, float], ...]
    metric: str
    failed_counts_as: float | None = None

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
        waiting = np.flatnonzero(~self.states.isin(FINISHED).to_numpy().all(axis=1))
        self.complete = int(waiting[0]) if len(waiting) else self.seeds  # number of leading seeds whose runs have all finished
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

    def failed(self, n: int) -> tuple[tuple[str, int], ...]:
        """The failed runs of the first `n` seeds, as (variant, seed)."""
        places, columns = np.nonzero((self.states.iloc[:n] == "failed").to_numpy())
        return tuple((self.terms.labels[column], self.order[place]) for place, column in zip(places, columns, strict=True))

    def least_spread(self, metric: str) -> float:
        """Standard deviation of differences below which the metric cannot resolve an effect of the seed.

        For a metric with resolution r it is r / sqrt(6), the standard deviation of a difference of two rounding errors.
        """
        known = self.terms.metrics[metric]
        step = known.resolution or 0.0
        if known.cases is not None and known.cases in self.runs:
            step = max(step, 100.0 / float(self.runs[known.cases].min()))
        return step / np.sqrt(6.0) if np.isfinite(step) else 0.0

    def run_ids(self, labels: Sequence[str], n: int) -> tuple[str, ...]:
        """The ids of the runs of the variants with the first `n` seeds, if the frame has ids."""
        if "id" not in self.runs:
            return ()
        chosen = self.runs[self.runs["variant"].isin(labels) & self.runs["seed"].isin(self.order[:n])]
        return tuple(map(str, chosen["id"]))

    def used_runs(self, labels: Sequence[str], n: int) -> list[UsedRun] | None:
        """The runs of the variants with the first `n` seeds; None if the frame has no ids."""
        if "id" not in self.runs:
            return None
        chosen = self.runs[self.runs["variant"].isin(labels) & self.runs["seed"].isin(self.order[:n])]
        ended = chosen["ended"] if "ended" in chosen else [None] * len(chosen)
        rows = zip(chosen["id"], chosen["variant"], chosen["state"], ended, strict=True)
        return [
            UsedRun(str(run_id), str(variant), state in FINISHED, end if isinstance(end, str) else None)
            for run_id, variant, state, end in rows
        ]

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
