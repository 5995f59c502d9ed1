"""The tuning of a plan's variants, and the chosen settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from harness.execution.stages import ChosenVariant, choices
from harness.experiment.claims import level_label
from harness.experiment.designs import short_names
from harness.experiment.plan import Plan, PlannedRun, Selection
from harness.reporting import phrases
from harness.reporting.figures import SeedValues, Setting, TuningCurves
from harness.reporting.phrases.trials import tuned_edges
from harness.store.atomic import is_file
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric
from harness.tasks.results import is_usable


@dataclass(frozen=True)
class Tuning:
    """The tuning plan of an evidence plan, with the records of its runs."""

    evidence: Plan
    plan: Plan
    selection: Selection
    records: Mapping[str, Record]
    metric: Metric

    @cached_property
    def chosen(self) -> Mapping[str, str]:
        """Variant -> its chosen label in the tuning plan."""
        return self.evidence.chosen.variants if self.evidence.chosen else {}

    @cached_property
    def found(self) -> tuple[ChosenVariant, ...]:
        """The choices by current results that agree with the chosen ones."""
        return tuple(choice for choice in choices(self.plan, self.records) if self.chosen.get(choice.variant) == choice.label)

    @cached_property
    def short(self) -> dict[str, str]:
        """Path -> short name."""
        paths = list(next(iter(self.selection.settings.values())))
        return dict(zip(paths, short_names(paths), strict=True))

    def words(self, variant: str) -> str:
        """`lr=0.05`: the setting of a variant."""
        settings = self.selection.settings.get(self.chosen.get(variant, ""), {})
        return ", ".join(f"{self.short[path]}={level_label(value)}" for path, value in settings.items())

    @cached_property
    def curves(self) -> TuningCurves:
        """The data of the figure."""
        variants = {
            variant: tuple(
                Setting(self.selection.settings[label], self.tried(label), chosen=label == self.chosen.get(variant))
                for label in group
            )
            for variant, group in self.selection.groups.items()
        }
        return TuningCurves(self.selection.metric, self.metric, tuple(self.short), variants, phrases.rehearsal(self.evidence))

    def tried(self, label: str) -> SeedValues:
        """The completed runs of a setting."""
        found = [(value, run.id) for run in self.runs(label) if not math.isnan(value := self._value(run))]
        return SeedValues(tuple(value for value, _ in found), tuple(run_id for _, run_id in found))

    def runs(self, label: str) -> tuple[PlannedRun, ...]:
        """All runs of a setting."""
        return self._by_label[label]

    @cached_property
    def _by_label(self) -> dict[str, tuple[PlannedRun, ...]]:
        return {label: tuple(run for run in self.plan.runs if run.variant == label) for label in self.plan.variants}

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """Warnings about the choice, as sentences."""
        wording = [f"{line}." for line in tuned_edges(self.plan, self.found)]
        lost = [run for run in self.plan.runs if self.records[run.id].state == "diverged"]
        if lost:
            wording.append(
                f"{phrases.plural(len(lost), 'run')} of the tuning diverged; a setting with diverged runs is never chosen."
            )
        if len(self.found) < len(self.chosen):
            wording.append(f"The runs of {self.plan.name} no longer lead to the chosen settings: they have changed since.")
        return tuple(wording)

    @property
    def seconds(self) -> float:
        """Total training time [s]."""
        return sum(record.seconds or 0.0 for record in self.records.values())

    @property
    def seed_count(self) -> int:
        """The number of tuning seeds."""
        return phrases.seeds(self.plan)

    def unstable(self, variant: str) -> int | None:
        """For how many tuning seeds another setting would be chosen without it; None with 1 seed or before a choice."""
        group, chosen = self.selection.groups[variant], self.chosen.get(variant)
        if self.seed_count < 2 or chosen is None:
            return None
        seeds = dict.fromkeys(run.seed for run in self.plan.runs)
        return sum(self._best_without(group, seed) != chosen for seed in seeds)

    def _best_without(self, group: Sequence[str], seed: int) -> str:
        """The setting with the best mean over the other seeds; the first of equals, none with a lost run."""
        sign = 1.0 if self.selection.goal == "maximize" else -1.0

        def value(label: str) -> float:
            others = [run for run in self.runs(label) if run.seed != seed]
            values = [self._value(run) for run in others]
            return -math.inf if any(map(math.isnan, values)) else sign * fmean(values)

        return max(group, key=value)

    def _value(self, run: PlannedRun) -> float:
        """The metric of a completed run; NaN without a usable value."""
        record = self.records[run.id]
        value = record.metrics.get(self.selection.metric, math.nan) if record.state == "completed" else math.nan
        return value if is_usable(value) else math.nan

    @property
    def seeds(self) -> str:
        """`2 seeds from 1000`."""
        return f"{phrases.plural(phrases.seeds(self.plan), 'seed')} from {self.plan.runs[0].seed}"


def tuning_of(store: Store, plan: Plan, metrics: Mapping[str, Metric]) -> Tuning | None:
    """The tuning of `plan`; None if it was not tuned. Raises StoreError."""
    if plan.chosen is None:
        return None
    own = store.load_plan(plan.chosen.plan)
    if own is None or own.selection is None or own.stage != "tuning":
        return None
    metric = metrics[own.selection.metric]
    return Tuning(plan, own, own.selection, store.records([run.id for run in own.runs]), metric)


def searched(store: Store, plan: Plan) -> str | None:
    """The search that chose the plan's winner, if any."""
    return plan.family if plan.stage == "final" and is_file(store.paths.study(plan.family).spec) else None
