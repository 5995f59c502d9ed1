"""Arrays over seeds from a data frame of runs, and which values are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import sample
from harness.analysis.verdicts import model
from harness.analysis.verdicts.registration import UsedRun
from harness.analysis.verdicts.terms import Terms
from harness.errors import InputError
from harness.experiment.claims import Across, DoseClaim, is_grid, members
from harness.experiment.claims.model import within
from harness.tasks.results import LARGEST

if TYPE_CHECKING:
    import pandas as pd

    from harness.store.cases import CaseSource

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
    across: Across = "seeds"

    @property
    def rounding(self) -> float:
        """The standard deviation of its rounding errors, relative to that of a difference of two values."""
        return sqrt(sum(weight**2 for _, weight in (*self.plus, *self.minus)) / 2.0)

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants in the difference."""
        return tuple(dict.fromkeys(variant for variant, _ in (*self.plus, *self.minus)))


class Values:
    """The runs of a plan: states and metrics by variant and seed, the first `n` seeds being those of the plan's order.

    `cases`: of the runs, for claims across cases.
    """

    def __init__(self, terms: Terms, runs: pd.DataFrame, cases: CaseSource | None = None) -> None:
        self.cases = cases
        self.terms, self.runs = terms, runs[runs["variant"].isin(terms.labels)]
        found = set(map(int, self.runs["seed"].unique()))
        listed = [seed for seed in dict.fromkeys(terms.listed_seeds) if seed in found]
        self.order = [*listed, *sorted(found.difference(listed))]
        self.seeds = len(self.order)
        self._states = {label: states.astype(str) for label, states in self._wide("state").items()}
        self._exist = self._existing()
        self._recorded: dict[str, dict[str, Floats]] = {}
        self._metrics: dict[str, dict[str, Floats]] = {}

    def _wide(self, column: str) -> dict[str, NDArray[Any]]:
        """A column of the runs [seed] by variant."""
        wide = self.runs.pivot(index="seed", columns="variant", values=column).reindex(index=self.order)
        return {label: wide[label].to_numpy() if label in wide else np.full(self.seeds, np.nan) for label in self.terms.labels}

    def _existing(self) -> dict[str, NDArray[np.bool_]]:
        """Which runs [seed] of each variant are part of the data: all, unless only what is available counts."""
        if not self.terms.available:
            return {label: np.ones(self.seeds, dtype=bool) for label in self.terms.labels}
        import pandas as pd

        order = pd.Index(self.order)
        found = {label: np.zeros(self.seeds, dtype=bool) for label in self.terms.labels}
        for label, own in self.runs.groupby("variant", sort=False, observed=True)["seed"]:
            found[str(label)][order.get_indexer(pd.Index(own))] = True
        return found

    def exist(self, labels: Iterable[str], n: int) -> NDArray[np.bool_]:
        """Which of the first `n` seeds [seed] all of these variants have a run with, whatever its state."""
        return np.asarray(np.all([self._exist[label][:n] for label in labels], axis=0))

    def common_seeds(self, labels: Iterable[str], n: int) -> tuple[int, ...]:
        """Those seeds."""
        return tuple(self.order[place] for place in np.flatnonzero(self.exist(labels, n)))

    def absent(self, labels: Sequence[str], n: int) -> int:
        """How many of the first `n` seeds some of these variants have a run with, and others do not; 0 for unpaired runs."""
        some = np.any([self._exist[label][:n] for label in labels], axis=0)
        return 0 if self.terms.unpaired else int((some & ~self.exist(labels, n)).sum())

    def least(self, labels: Iterable[str], n: int) -> int:
        """How many of the first `n` seeds these variants have in common; of unpaired runs, the fewest that one has."""
        return min(int(self.exist(together, n).sum()) for together in self.matched(labels))

    def matched(self, labels: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The variants whose runs are taken together by seed: all of them; each alone if runs are unpaired."""
        return tuple((label,) for label in labels) if self.terms.unpaired else (tuple(labels),)

    def _matched(self, labels: Iterable[str], n: int) -> list[tuple[str, NDArray[np.bool_]]]:
        """Each variant with the seeds [seed] that it is compared over, of the first `n`."""
        return [(label, self.exist(together, n)) for together in self.matched(labels) for label in together]

    def _numbers(self, name: str) -> dict[str, Floats]:
        """A metric as it was recorded [seed], whatever the state of the run, by variant; empty if the runs do not have it."""
        if name not in self._recorded:
            wide = self._wide(name) if name in self.runs else {}
            self._recorded[name] = {label: values.astype(float) for label, values in wide.items()}
        return self._recorded[name]

    def _metric(self, name: str) -> dict[str, Floats]:
        if name not in self._metrics:
            found = {label: np.full(self.seeds, np.nan) for label in self.terms.labels}
            for label, known in self._numbers(name).items():
                # False for NaN too
                found[label] = np.where((self._states[label] == "completed") & (np.abs(known) <= LARGEST), known, np.nan)
            self._metrics[name] = found
        return self._metrics[name]

    def beyond(self, name: str) -> tuple[Run, ...]:
        """The completed runs whose value of a metric is infinite or larger than `LARGEST`, which count as without a value."""
        found = {label: np.abs(values) > LARGEST for label, values in self._numbers(name).items()}
        places = [(label, place) for label, large in found.items() for place in np.flatnonzero(large)]
        return tuple((label, self.order[place]) for label, place in places if self._states[label][place] == "completed")

    def state(self, label: str, seed: int) -> str:
        """The state of a run."""
        return str(self._states[label][self.order.index(seed)])

    def run_id(self, label: str, seed: int) -> str:
        """The id of a run. Raises InputError if the frame has no ids."""
        if "id" not in self.runs:
            raise InputError("a claim is across cases, which are found by the ids of runs; the frame needs a column id")
        return self._ids[label, seed]

    @cached_property
    def _ids(self) -> dict[Run, str]:
        rows = zip(self.runs["variant"], self.runs["seed"], self.runs["id"], strict=True)
        return {(str(label), int(seed)): str(run_id) for label, seed, run_id in rows}

    def column(self, label: str, metric: str, n: int, failed_counts_as: float | None = None) -> Floats:
        """The metric of a variant [seed], of the first `n`; NaN if it failed, diverged, is unfinished, absent or not measured."""
        found = self._metric(metric)[label][:n]
        if failed_counts_as is None:
            return found
        return np.where(np.isin(self._states[label][:n], ("failed", "diverged")), failed_counts_as, found)

    def mean(self, weights: Sequence[tuple[str, float]], metric: str, n: int, failed_counts_as: float | None = None) -> Floats:
        """The weighted sum over variants [seed], of the first `n`."""
        total = np.zeros(n)
        for label, weight in weights:
            total = total + weight * self.column(label, metric, n, failed_counts_as)
        return total

    def samples(
        self, weights: Sequence[tuple[str, float]], metric: str, n: int, failed_counts_as: float | None = None
    ) -> tuple[list[Floats], list[float]]:
        """The values [run] of each variant, of the first `n` seeds, and its weight: the sum of all that it has."""
        total: dict[str, float] = {}
        for label, weight in weights:
            total[label] = total.get(label, 0.0) + weight
        columns = [self.column(label, metric, n, failed_counts_as) for label in total]
        return [column[~np.isnan(column)] for column in columns], list(total.values())

    def sides(self, difference: Difference, n: int) -> tuple[Floats, Floats]:
        """Both sides [seed], of the first `n`, oriented: higher is better."""
        sign = self.sign(difference.metric)
        args = (difference.metric, n, difference.failed_counts_as)
        return sign * self.mean(difference.plus, *args), sign * self.mean(difference.minus, *args)

    def sign(self, metric: str) -> int:
        """1 if higher is better, else -1."""
        return -1 if self.terms.metrics[metric].goal == "minimize" else 1

    def missing(self, labels: Sequence[str], metric: str, n: int, failed_counts_as: float | None) -> tuple[str, ...]:
        """The runs [seed], of the first `n` without a value, each as `diverged: b seed 3`; not of seeds that are not compared."""
        found, beyond = [], set(self.beyond(metric))
        for label, exist in self._matched(labels, n):
            values = self.column(label, metric, n, failed_counts_as)
            for place in np.flatnonzero(np.isnan(values) & exist):
                state = self._states[label][place]
                reason = model.OUT_OF_RANGE if (label, self.order[place]) in beyond else "not measured"
                found.append(f"{state if state in ('failed', 'diverged') else reason}: {label} seed {self.order[place]}")
        return tuple(found)

    def complete_for(self, labels: Iterable[str]) -> int:
        """The number of leading seeds whose runs of these variants have all finished, or are absent."""
        finished = np.all([np.isin(self._states[label], FINISHED) | ~self._exist[label] for label in labels], axis=0)
        return int(finished.argmin()) if not finished.all() else self.seeds

    def lost(self, labels: Iterable[str], start: int, stop: int, states: Sequence[str] = ("failed",)) -> tuple[Run, ...]:
        """The runs of these variants that failed (or ended in one of `states`), from the seed at place `start` up to `stop`."""
        wanted = set(labels)
        own = [label for label in self.terms.labels if label in wanted]
        if not own:
            return ()
        found = np.stack([np.isin(self._states[label][start:stop], states) for label in own], axis=1)
        return tuple((own[column], self.order[start + place]) for place, column in np.argwhere(found))

    def resolution(self, metric: str, labels: Iterable[str], n: int) -> float:
        """The step of the metric: declared, 100 over the number of test cases, or the smallest seen.

        Seen in the first `n` seeds of these variants, and in those of the first look of all: other results may come at any time.
        """
        known = self.terms.metrics[metric]
        step = known.resolution or 0.0
        if known.cases is not None and known.cases in self.runs:
            step = max(step, 100.0 / float(self.runs[known.cases].min()))
        if step > 0 and np.isfinite(step):
            return step
        own, first = set(labels), min(n, self.terms.looks[0])
        columns = [values[: n if label in own else first] for label, values in self._metric(metric).items()]
        seen = np.unique(np.concatenate(columns))
        seen = seen[~np.isnan(seen)]
        steps = np.diff(seen)
        steps = steps[steps > sample.ROUNDING * np.abs(seen).max(initial=0.0)]
        return float(steps.min()) if len(steps) else 0.0

    def varies(self, labels: Sequence[str], metric: str, n: int) -> bool:
        """Whether the values of any of the variants vary over the first `n` seeds, of those that are compared."""
        columns = [self.column(label, metric, n)[exist] for label, exist in self._matched(labels, n)]
        return any(np.ptp(own) > sample.ROUNDING * np.abs(own).max() for own in columns if len(own))

    def _used(self, matched: Iterable[Sequence[str]], n: int) -> pd.DataFrame:
        chosen = np.zeros(len(self.runs), dtype=bool)
        for together in matched:
            own, seeds = self.runs["variant"].isin(together), self.runs["seed"].isin(self.common_seeds(together, n))
            chosen |= (own & seeds).to_numpy()
        return self.runs[chosen]

    def run_ids(self, matched: Iterable[Sequence[str]], n: int) -> tuple[str, ...]:
        """The ids of the runs that variants have in common by seed, of the first `n`, if the frame has ids.

        `matched`: variants that are taken together by seed.
        """
        return tuple(map(str, self._used(matched, n)["id"].tolist())) if "id" in self.runs else ()

    def count_runs(self, matched: Iterable[Sequence[str]], n: int) -> int:
        """The number of these runs."""
        return len(self._used(matched, n))

    def used_runs(self, matched: Iterable[Sequence[str]], n: int) -> list[UsedRun] | None:
        """The same runs; None if the frame has no ids."""
        if "id" not in self.runs:
            return None
        chosen = self._used(matched, n)
        ended = chosen["ended"].tolist() if "ended" in chosen else [None] * len(chosen)
        rows = zip(*(chosen[name].tolist() for name in ("id", "variant", "state")), ended, strict=True)
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
        self,
        label: str,
        over: str,
        metric: str,
        *,
        where: Mapping[str, str] | None = None,
        failed_counts_as: float | None = None,
        across: Across = "seeds",
    ) -> Difference:
        """The comparison of two labels, each of which may refer to several variants of a grid."""
        plus, minus = (self.variants(side, where or {}) for side in (label, over))
        return Difference(label, over, equal(plus), equal(minus), metric, failed_counts_as, across)


def different_seeds(terms: Terms, runs: pd.DataFrame) -> int:
    """How many different seeds the runs of the variants have."""
    return int(runs.loc[runs["variant"].isin(terms.labels), "seed"].nunique())


def equal(labels: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Equal weights: the mean over variants."""
    return tuple((label, 1.0 / len(labels)) for label in labels)
