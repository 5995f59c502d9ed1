"""The plan of results that exist already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from pydantic import SkipValidation

from harness.experiment.plan import Plan, PlannedRun, Selection

if TYPE_CHECKING:
    import pandas as pd


class Rows(Sequence[PlannedRun]):
    """The rows of a table as planned runs, seed by seed, made when they are needed: there may be a million.

    Their ids are their places in the table.
    """

    def __init__(self, runs: pd.DataFrame, look: int) -> None:
        self._runs, self._look = runs, look

    @cached_property
    def _columns(self) -> tuple[list[Any], ...]:
        rows = self._runs.sort_values("seed", kind="stable")
        return tuple(rows[name].tolist() for name in ("id", "variant", "seed"))

    def _run(self, run_id: str, variant: str, seed: int) -> PlannedRun:
        return PlannedRun.model_construct(id=run_id, variant=variant, seed=seed, look=self._look)

    @overload
    def __getitem__(self, place: int) -> PlannedRun: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[PlannedRun]: ...

    def __getitem__(self, place: int | slice) -> PlannedRun | Sequence[PlannedRun]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        run_id, variant, seed = (column[place] for column in self._columns)
        return self._run(run_id, variant, seed)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[PlannedRun]:
        return map(self._run, *self._columns)


class ExistingPlan(Plan):
    """Design and claims of results that exist already; never stored. `task` is where they are from."""

    runs: SkipValidation[Any]  # Rows
    command: str = ""  # the command line that judges them


ExistingPlan.model_rebuild(_types_namespace={"Selection": Selection})  # a field of Plan
