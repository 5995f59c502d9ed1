"""The data of a plan's figures: a metric of its variants, by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.analysis.verdicts import Row, Table, Verdict
from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.tasks.protocol import Metric
from harness.tasks.results import LARGEST

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LOST = ("failed", "diverged")


def calculable(frame: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Whether the value of `name` is a number that can be calculated with [row of `frame`]; a missing value is not."""
    import numpy as np

    known: NDArray[np.bool_] = np.abs(frame[name].to_numpy(dtype=float, na_value=np.nan)) <= LARGEST
    return known


@dataclass(frozen=True)
class Subject:
    """The metric of `table` in a plan's runs (`load_runs`). Differences are shown from the first look on, never before."""

    plan: Plan
    runs: pd.DataFrame  # a row per requested run: variant, seed, state, a column per metric
    table: Table
    metrics: Mapping[str, Metric]
    verdicts: Sequence[Verdict] = ()

    @property
    def metric(self) -> Metric:
        """The metric of the table."""
        return self.metrics[self.table.metric]

    @property
    def axis(self) -> str:
        """The metric with its unit."""
        return phrases.axis(self.table.metric, self.metric.unit)

    @property
    def name(self) -> str:
        """The metric without its unit."""
        return phrases.label(self.table.metric)

    @property
    def variants(self) -> tuple[str, ...]:
        """All of the plan, in its order."""
        return tuple(self.plan.variants)

    @property
    def compared(self) -> bool:
        """Whether a look has been reached."""
        return self.table.seeds > 0

    @cached_property
    def rows(self) -> Mapping[str, Row]:
        """Variant -> its row of the table."""
        return {row.variant: row for row in self.table.rows}

    @property
    def unpaired(self) -> bool:
        """Whether equal seeds of two variants have nothing in common: then nothing connects them."""
        return any(row.runs for row in self.table.rows)

    @property
    def replicates(self) -> str:
        """What the dots are: seeds, or runs that no seed pairs."""
        return "runs" if self.unpaired else "seeds"

    @cached_property
    def values(self) -> pd.DataFrame:
        """[seed, variant] of completed runs: of the current look's seeds, else of all. NaN: no value that can be drawn."""
        import numpy as np

        own = self.runs[self.runs["state"] == "completed"]
        if self.compared:
            own = own[own["seed"].isin(self.plan.first_seeds(self.table.seeds))]
        if self.table.metric not in own:
            own = own.iloc[:0].assign(**{self.table.metric: np.nan})
        wide = own.pivot(index="seed", columns="variant", values=self.table.metric).reindex(columns=list(self.variants))
        wide = wide.astype(float)
        return wide.where(wide.abs() <= LARGEST).dropna(how="all").sort_index()

    @cached_property
    def margin(self) -> float | None:
        """The margin for this metric: the smallest difference that matters."""
        if not self.plan.claims and self.table.metric != next(iter(self.metrics)):
            return None  # the file's own margin is for the first metric
        return phrases.declared_margin(self.plan, self.table.metric)

    @property
    def margin_words(self) -> str:
        """`±0.25 pp`."""
        return f"±{self.margin:g} {self.unit}".rstrip()

    @property
    def unit(self) -> str:
        """Of differences."""
        return phrases.difference_unit(self.metric.unit)

    @cached_property
    def places(self) -> int:
        """Decimals of numbers in the figure."""
        return phrases.decimals([row.mean for row in self.table.rows], self.metric)

    def interval(self, values: pd.Series) -> tuple[float, float] | None:
        """The t interval of a variant's mean, at the table's level; None with fewer than 2 values or for an exact metric."""
        from harness.analysis.statistics.sample import summary

        own = values.dropna().to_numpy()
        return None if len(own) < 2 or self.metric.exact else summary(own).interval(self.table.level)

    def tooltips(self, variant: str, own: pd.Series) -> list[str]:
        """A text for each value by seed: what it is, and of which run."""
        texts = []
        for seed, value in own.items():
            lines = [f"{phrases.figure(float(value))} {self.metric.unit}".rstrip(), f"{variant}, seed {seed}"]
            run_id = self._ids.get((variant, seed))
            texts.append("\n".join([*lines, *([f"run {run_id}"] if run_id else [])]))
        return texts

    def mean_tooltip(self, variant: str, own: pd.Series) -> str:
        """The text of a variant's mean."""
        interval = self.interval(own)
        lines = [
            f"{phrases.number(float(own.mean()), self.places)} {self.metric.unit}".rstrip(),
            f"{variant}, mean of n = {own.count()}",
        ]
        if interval is not None:
            lines.append(f"{self.level} {' to '.join(phrases.number(bound, self.places) for bound in interval)}")
        return "\n".join(lines)

    def difference_tooltip(self, row: Row) -> str:
        """The text of a difference between two variants."""
        lines = [
            f"{phrases.signed(row.difference, self.places)} {self.unit}".rstrip(),
            f"{row.variant} minus {row.over}, {row_n(row)}",
        ]
        if row.interval is not None:
            bounds = " to ".join(phrases.signed(bound, self.places) for bound in row.interval)
            lines.append(f"{phrases.confidence(row.level)} {bounds}")
        return "\n".join(lines)

    @cached_property
    def _ids(self) -> Mapping[tuple[str, object], str]:
        """(variant, seed) -> run id."""
        columns = [self.runs[name].tolist() for name in ("variant", "seed", "id") if name in self.runs]
        return {(variant, seed): run_id for variant, seed, run_id in zip(*columns, strict=True)} if len(columns) == 3 else {}

    @property
    def level(self) -> str:
        """`95 % interval`."""
        return phrases.confidence(self.table.level)

    @property
    def no_difference(self) -> str:
        """Shown instead of differences before the first look."""
        return f"no difference is shown until\n{phrases.plural(min(self.plan.looks), 'seed')} of every variant have finished"

    @property
    def basis(self) -> str:
        """The number of seeds in the figure (of unpaired ones, the number of runs), and the runs without a value."""
        planned = self.runs["seed"].nunique()
        if not self.compared:
            completed = int((self.runs["state"] == "completed").sum())
            basis = f"{completed} of {phrases.plural(len(self.runs), 'run')} completed"
        elif self.table.seeds < planned:
            basis = f"the first {self.table.seeds} of {planned} seeds"
        elif self.unpaired:
            basis = phrases.plural(int(self.values.notna().to_numpy().sum()), "run")
        else:
            basis = phrases.plural(self.table.seeds, "seed")
        states = self.runs.loc[self.runs["seed"].isin(self.plan.first_seeds(self.table.seeds or planned)), "state"]
        lost = " and ".join(f"{count} {state}" for state in LOST if (count := int((states == state).sum())))
        if not lost:
            return basis
        return f"{basis}, without {lost}" if self.compared else f"{basis}, {lost}"

    @property
    def no_values(self) -> str:
        """Why there are no values."""
        states = self.runs["state"]
        if (states == "completed").any():
            return phrases.nothing_drawn(self.name, self.runs.get(self.table.metric, ()))
        if len(states) and states.isin(LOST).all():
            return f"all {phrases.plural(len(states), 'run')} failed or diverged"
        return "no run has completed yet"


def row_n(row: Row) -> str:
    """`n = 5`, or the numbers of runs of a comparison that is not paired."""
    if row.cases:
        return f"over {phrases.plural(row.cases, 'case')}"
    return f"n = {', '.join(map(str, row.runs))}" if row.runs else f"n = {row.pairs}"
