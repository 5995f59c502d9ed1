"""The comparison of finished runs with their rows, run after run in one table: what reports check of every run they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.experiment.run_id import Spec, run_id
from harness.store import atomic
from harness.store.check.result import altered, contradictions, facts, fluctuating, totals_of, wrong_choices
from harness.store.paths import RunPaths
from harness.store.records import Result, Value, encode
from harness.tasks.command.model import definition_digest

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


class ComparedRows:
    """The rows of several runs in one table (`frame_cache.RunTables.epochs`), with the number of rows of each run."""

    def __init__(self, epochs: pa.Table, counts: Sequence[int]) -> None:
        import numpy as np

        self.epochs, self.counts = epochs, counts
        self._ends = np.cumsum(np.asarray(counts, dtype=np.int64)) if counts else np.zeros(0, np.int64)
        self._columns: dict[str, NDArray[Any]] = {}

    def last(self, place: int) -> dict[str, Value]:
        """The last row of the run at `place`, non-finite numbers as strings; empty without rows."""
        if not self.counts[place]:
            return {}
        return {name: encode(value) for name, value in self._last_rows[self._place_of_last[place]].items()}

    def row(self, place: int, epoch: int) -> dict[str, Value]:
        """The row of an epoch (from 1), as `last`; empty if there is none."""
        if not 0 < epoch <= self.counts[place]:
            return {}
        start = int(self._ends[place]) - self.counts[place]
        return {name: encode(value) for name, value in self.epochs.slice(start + epoch - 1, 1).to_pylist()[0].items()}

    def values(self, place: int, name: str) -> list[float]:
        """A column of the run's rows, NaN where not measured."""
        end, count = int(self._ends[place]), self.counts[place]
        return self._column(name)[end - count : end].tolist() if name in self.epochs.column_names else []

    def totals(self, place: int, metric: str) -> dict[str, Any]:
        """As `run_summary.summary` of the run's rows."""
        end, count = int(self._ends[place]), self.counts[place]
        names = ("seconds", "samples_per_second", "peak_memory_bytes", metric)
        known = {name: self._column(name)[end - count : end] for name in names if name in self.epochs.column_names}
        return totals_of(known, count, metric)

    def facts(self, place: int, result: Result) -> str:
        """`check.result.facts` as JSON."""
        return json.dumps(facts(result, self.last(place)), sort_keys=True)

    @cached_property
    def _place_of_last(self) -> dict[int, int]:
        """Place of a run -> place of its last row in `_last_rows`."""
        filled = [place for place, count in enumerate(self.counts) if count]
        return {place: row for row, place in enumerate(filled)}

    @cached_property
    def _last_rows(self) -> list[dict[str, Any]]:
        import pyarrow as pa

        places = pa.array([int(self._ends[place]) - 1 for place in self._place_of_last], pa.int64())
        return list(self.epochs.take(places).to_pylist())

    def _column(self, name: str) -> NDArray[Any]:
        import numpy as np

        if name not in self._columns:
            self._columns[name] = self.epochs[name].to_numpy().astype(np.float64)
        return self._columns[name]


def contradiction(paths: RunPaths, result: Result, spec: Spec | None, rows: ComparedRows, place: int) -> str | None:
    """The first contradiction among result.json, its rows (the run at `place`) and spec.json: `result.json: ...`; None if none.

    The checksum of metrics.jsonl is not compared here; predictions.npz and provenance.json are compared by their readers.
    """
    if wrong := altered(result):
        return f"{paths.result.name}: {wrong}"
    chosen = {name: rows.row(place, epoch).get(name) for name, epoch in result.taken.items()}
    found = contradictions(result, rows.counts[place], rows.last(place), rows.totals(place, fluctuating(result)), chosen)
    found += wrong_choices(result, spec.program if spec else None, lambda name: rows.values(place, name))
    if found:
        return f"{paths.result.name}: disagrees with {paths.metrics.name}: {', '.join(found)}"
    return wrong_spec(paths, result, spec)


def wrong_spec(paths: RunPaths, result: Result, spec: Spec | None) -> str | None:
    """Why spec.json is not that of the run; None if it is."""
    name = paths.spec.name
    if spec is None:
        return f"{name}: is missing or damaged"
    try:
        own = run_id(spec.task, spec.version, spec.config, spec.seed, spec.data)
        changed = result.checksums.get(name) not in (None, atomic.digest(paths.spec))
    except (ValueError, StoreError) as error:
        return f"{name}: {error}"
    if own != paths.folder.name:
        return f"{name}: is not the configuration of this run: it gives the id {own}"
    if spec.program is not None and definition_digest(spec.program) != spec.version:
        return f"{name}: is not the configuration of this run: its program has another version"
    return f"{name}: has changed since the run finished" if changed else None
