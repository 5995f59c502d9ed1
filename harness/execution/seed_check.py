"""Detect a program that ignores its seed: two seeds of a variant give identical curves, and identical outcomes of cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.experiment.plan import Plan, PlannedRun
from harness.store.records import Record, Store, read_rows
from harness.tasks.command.steps import last


class SeedCheck:
    """Compares the first two seeds of each variant once both have completed, and each variant only once."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store = store
        checked = plan.program is not None and plan.program.identical_seeds == "stop"
        self._metrics = tuple(last(plan.program).metrics) if plan.program is not None else ()
        self._open = {label: _first_two(plan, label) for label in plan.variants} if checked else {}
        self.name = plan.name

    def problem(self, records: Mapping[str, Record]) -> str | None:
        """An error message if a variant's seeds give identical curves, else None. Raises StoreError."""
        for label, pair in list(self._open.items()):
            if len(pair) < 2:
                del self._open[label]
            elif all(records[run.id].state == "completed" for run in pair):
                if self._measured(pair[0]) == self._measured(pair[1]):
                    first, second = pair
                    return (
                        f"{self.name}: the seed changes nothing: {label} has identical curves with seeds {first.seed} and"
                        f" {second.seed} ({first.id}, {second.id}); pass the seed to the program ({{seed}} in the"
                        " command, or $HARNESS_SEED), or if this is intended set seeds: 1, or identical_seeds: allow under task:"
                    )
                del self._open[label]
        return None

    def _measured(self, run: PlannedRun) -> tuple[list[dict[str, Any]], str | None]:
        """The curves, and the digest of the cases: as many right answers may be other ones."""
        # Only the metrics: other columns, such as the time of day, differ in any case.
        paths, result = self.store.paths.run(run.id), self.store.result(run.id)
        curves = [{name: row.get(name) for name in self._metrics} for row in read_rows(paths.metrics)]
        return curves, None if result is None else result.checksums.get(paths.predictions.name)


def _first_two(plan: Plan, label: str) -> list[PlannedRun]:
    return [run for run in plan.runs if run.variant == label][:2]
