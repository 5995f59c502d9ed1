"""The cases of finished runs: the outcome of each case of an evaluation, from predictions.npz."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.store import atomic
from harness.store.check.run import load_arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.store.records import Store

CASES, GROUPS = "cases", "groups"  # names of arrays; all others are metrics
ALTERED = "predictions.npz has changed since the run finished"


@dataclass(frozen=True)
class CaseArrays:
    """Cases [case] by increasing id, their groups [case] if any, and by metric the outcomes [case]."""

    ids: NDArray[np.str_]
    groups: NDArray[np.str_] | None
    values: Mapping[str, NDArray[np.float64]]


CaseSource = Callable[[str], CaseArrays | str]  # run id -> its cases, or in words why there are none


class CaseFiles:
    """Run id -> its cases, or why there are none in words; each file is read once while it does not change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[object, CaseArrays | str]] = {}
        self.altered: set[str] = set()  # runs whose predictions.npz is not that which they finished with

    def __call__(self, run_id: str) -> CaseArrays | str:
        """The cases of a finished run."""
        paths = self._store.paths.run(run_id)
        stamp = [_stamp(path) for path in (paths.predictions, paths.result)]
        if run_id not in self._known or self._known[run_id][0] != stamp:
            self._known[run_id] = (stamp, self._read(run_id))
        return self._known[run_id][1]

    def _read(self, run_id: str) -> CaseArrays | str:
        path = self._store.paths.run(run_id).predictions
        if not atomic.is_file(path):
            return "no cases"
        try:
            result = self._store.result(run_id)
            if result is None or atomic.digest(path) != result.checksums.get(path.name):
                self.altered.add(run_id)
                return ALTERED
            return case_arrays(load_arrays(path))
        except (StoreError, ValueError, OSError, EOFError) as error:
            return f"predictions.npz cannot be read ({error})"


def load_cases(results: str | Path = "results") -> CaseFiles:
    """The cases of the runs in a results folder, for `harness.judge`. Raises StoreError."""
    from harness.store.records import Store

    return CaseFiles(Store.open(Path(results), create=False))


def case_arrays(arrays: Mapping[str, Any]) -> CaseArrays | str:
    """The arrays of a predictions.npz as cases, or why they are none."""
    import numpy as np

    ids = arrays.get(CASES)
    if ids is None or ids.dtype.kind not in "Uiu" or ids.ndim != 1 or not ids.size:
        return "no cases"
    others = {name: array for name, array in arrays.items() if name != CASES}
    others = {name: array for name, array in others.items() if array.ndim == 1 and (name == GROUPS or array.dtype.kind in "biuf")}
    if odd := next((name for name, array in others.items() if len(array) != len(ids)), None):
        return f"{odd} has another number of cases"
    names, order = np.unique(ids.astype(str), return_index=True)
    if len(names) < len(ids):
        return "the same case twice"
    groups = others.pop(GROUPS, None)
    values = {name: array[order].astype(float) for name, array in others.items()}
    return CaseArrays(names, None if groups is None else groups[order].astype(str), values)


def _stamp(path: Path) -> object:
    status = atomic.status(path)
    if status is None:
        return None
    return status.st_ctime_ns, status.st_size, status.st_ino
