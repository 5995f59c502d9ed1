"""A plan's runs with their records and provenance -> the time that they took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.experiment.plan import Plan, PlannedRun
from harness.store.provenance import Provenance
from harness.store.records import Record


@dataclass(frozen=True)
class Cost:
    """Training time [s] of the finished requested runs, including failed ones."""

    by_device: Mapping[str, float]  # device name -> seconds, largest first
    by_variant: Mapping[str, float]  # label -> seconds, in the plan's order

    @property
    def seconds(self) -> float:
        """The total."""
        return sum(self.by_variant.values())


def cost_of(plan: Plan, runs: Iterable[PlannedRun], records: Mapping[str, Record], origins: Mapping[str, Provenance]) -> Cost:
    """Of the finished ones of `runs`; `origins`: by run id."""
    by_device: dict[str, float] = {}
    by_variant = dict.fromkeys(plan.variants, 0.0)
    for run in runs:
        seconds = records[run.id].seconds or 0.0
        if records[run.id].finished:
            device = origins[run.id].device if run.id in origins else "unknown"
            by_device[device] = by_device.get(device, 0.0) + seconds
            by_variant[run.variant] += seconds
    return Cost(dict(sorted(by_device.items(), key=lambda item: (-item[1], item[0]))), by_variant)
