"""The runs behind each number of a plan's report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.analysis.verdicts.model import Estimate, Verdict
from harness.experiment.claims import members
from harness.experiment.plan import Plan, PlannedRun
from harness.store.records import Record


@dataclass(frozen=True)
class Group:
    """The runs of a variant."""

    variant: str
    place: int  # of the variant in the plan; its rows in the table of runs start at #runs-`place`
    runs: tuple[PlannedRun, ...]


class Sources:
    """Looks up the runs behind variants, pairs and estimates; without records there are none."""

    def __init__(self, plan: Plan, records: Mapping[str, Record]) -> None:
        self.plan, self.records = plan, records

    @cached_property
    def _by_id(self) -> dict[str, PlannedRun]:
        return {run.id: run for run in self.plan.runs}

    @cached_property
    def _completed(self) -> dict[str, dict[int, str]]:
        """Variant -> seed -> id of its completed run."""
        found: dict[str, dict[int, str]] = {label: {} for label in self.plan.variants}
        for run in self.plan.runs if self.records else ():
            if self.records[run.id].state == "completed":
                found[run.variant][run.seed] = run.id
        return found

    def of(self, variant: str, seeds: int = 0) -> tuple[str, ...]:
        """The completed runs of a variant; 0 `seeds` means all, else the first ones."""
        first = frozenset(self.plan.first_seeds(seeds))
        return tuple(run_id for seed, run_id in self._completed[variant].items() if not seeds or seed in first)

    def pairs(self, variant: str, over: str, seeds: int, *, paired: bool = True) -> tuple[str, ...]:
        """The completed runs of both variants for seeds that both completed; all that are completed if they are not `paired`."""
        if not paired:
            return self.of(variant, seeds) + self.of(over, seeds)
        one, other, first = self._completed[variant], self._completed[over], frozenset(self.plan.first_seeds(seeds))
        both = [seed for seed in one if seed in other and (not seeds or seed in first)]
        return tuple(found[seed] for found in (one, other) for seed in both)

    def of_row(self, verdict: Verdict, row: Estimate) -> tuple[str, ...]:
        """The runs that an estimate of a verdict comes from."""
        if len(verdict.rows) == 1:
            return verdict.run_ids
        levels, where = self.plan.levels, verdict.claim.where
        own = {variant for side in (row.subject, row.over) if side for variant in members(side, levels, where)}
        return tuple(run_id for run_id in verdict.run_ids if self._by_id[run_id].variant in own)

    def groups(self, ids: Iterable[str]) -> list[Group]:
        """The runs by variant, in the plan's order."""
        wanted = [self._by_id[run_id] for run_id in ids]
        found = []
        for place, variant in enumerate(self.plan.variants):
            runs = tuple(sorted((run for run in wanted if run.variant == variant), key=lambda run: run.seed))
            found += [Group(variant, place, runs)] if runs else []
        return found
