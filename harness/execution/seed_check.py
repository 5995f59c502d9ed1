"""A plan of a program, its runs -> whether the seed reaches the program at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.experiment.plan import Plan, PlannedRun
from harness.store.records import Record, Store, read_rows


class SeedCheck:
    """Compares the curves of each variant's first two seeds once they are there; what differs is not read again."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store = store
        watched = plan.program is not None and plan.program.identical_seeds == "stop"
        self._metrics = tuple(plan.program.metrics) if plan.program is not None else ()
        self._open = {label: _first_two(plan, label) for label in plan.variants} if watched else {}
        self.name = plan.name

    def problem(self, records: Mapping[str, Record]) -> str | None:
        """What is wrong, and the ways on; None where nothing is, as far as runs have completed. Raises StoreError."""
        for label, pair in list(self._open.items()):
            if len(pair) < 2:
                del self._open[label]
            elif all(records[run.id].state == "completed" for run in pair):
                if self._curve(pair[0]) == self._curve(pair[1]):
                    first, second = pair
                    return (
                        f"{self.name}: the seed changes nothing: {label} has identical curves with seeds {first.seed} and"
                        f" {second.seed} ({first.id}, {second.id}); allowed: a program that takes its seed ({{seed}} in the"
                        " command, or $HARNESS_SEED), seeds: 1, or identical_seeds: allow in task: where that is right"
                    )
                del self._open[label]
        return None

    def _curve(self, run: PlannedRun) -> list[dict[str, Any]]:
        # The metrics alone: what else a program tells, such as the time of day, differs whatever its seed does.
        rows = read_rows(self.store.paths.run(run.id).metrics)
        return [{name: row.get(name) for name in self._metrics} for row in rows]


def _first_two(plan: Plan, label: str) -> list[PlannedRun]:
    return sorted((run for run in plan.runs if run.variant == label), key=lambda run: run.seed)[:2]
