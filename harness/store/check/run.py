"""A run's folder -> what is wrong with it, file by file.

Content that contradicts itself is told first; where it does not, the checksums in result.json tell. What has none (result.json,
provenance.json) is held against the rows it was made from, and against its model.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from harness.errors import StoreError
from harness.experiment.run_id import Spec, run_id
from harness.store import atomic, checkpoint, lease
from harness.store.check.finding import FileFinding, entries, foreign, left_behind, told
from harness.store.lease import LEASE, Timing
from harness.store.paths import RunPaths
from harness.store.provenance import Provenance
from harness.store.records import Result, encode, read_rows
from harness.store.run_summary import summary
from harness.tasks.command.model import definition_digest

ModelT = TypeVar("ModelT", bound=BaseModel)

# What an epoch cost. No two runs cost the same, so these are no part of a run's bits, and result.json has them of all epochs.
COSTS = frozenset({"seconds", "samples_per_second", "peak_memory_bytes"})
RESTORE = "restore it from a copy, or remove the run's folder to train it again"
GOES_ON = "run the experiment again: it is written anew from the checkpoint"


def check_run(paths: RunPaths) -> list[FileFinding]:
    """What there is to say of one run's folder."""
    run = _Run(paths)
    try:
        run.check()
    except StoreError as error:
        run.found.append(told(paths.folder, error))
    except OSError as error:
        run.found.append(told(paths.folder, atomic.unusable(paths.folder, "be read", error)))
    return run.found


class _Run:
    """One run's folder while it is looked through."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.found: list[FileFinding] = []
        self.result: Result | None = None

    def check(self) -> None:
        # In this order, so that a worker that trains the run meanwhile can only add rows, not be found to lack some.
        self.result = self._read(self.paths.result, Result)
        saved = self._checkpoint()
        self._spec()
        self._provenance()
        rows = self._rows(saved)
        if self.result is not None and rows is not None:
            self._compare(self.result, rows)
        self._predictions()
        self._others()

    @property
    def ended(self) -> bool:
        return self.paths.result.exists()

    def _say(self, path: Path, what: str, advice: str = RESTORE, harmless: bool = False) -> None:
        self.found.append(FileFinding(path, what, advice, harmless))

    def _read(self, path: Path, model: type[ModelT]) -> ModelT | None:
        try:
            return atomic.read_json(path, model)
        except FileNotFoundError:
            return None
        except StoreError as error:
            self.found.append(told(path, error))
            return None

    def _vouched(self, path: Path) -> bool:
        """Whether `path` is as it was when the run ended, as far as that is known; says so otherwise."""
        if self.result is None:
            return True
        expected = self.result.checksums.get(path.name)
        if not path.exists():
            if expected is not None:
                self._say(path, "is missing, and was there when the run ended")
            return False
        if expected is None:
            self._say(path, "is not among the files whose checksums result.json holds")
        elif atomic.digest(path) != expected:
            self._say(path, "is not what it was when the run ended: its checksum is not the one in result.json")
        else:
            return True
        return False

    def _spec(self) -> None:
        path, folder = self.paths.spec, self.paths.folder
        spec = self._read(path, Spec)
        if spec is None:
            begun = self.ended or self.paths.metrics.exists() or self.paths.checkpoint.exists()
            if begun and not path.exists():
                self._say(path, "is missing: nothing tells what this run is")
            return
        try:
            own = run_id(spec.task, spec.version, spec.config, spec.seed, spec.data)
        except ValueError as error:
            self._say(path, f"cannot be hashed: {error}")
            return
        if spec.program is not None and (version := definition_digest(spec.program)) != spec.version:
            self._say(path, f"is not what this run was made from: its program gives the version {version}")
        elif own == folder.name:
            self._vouched(path)
        elif self.result and self.result.checksums.get(path.name) == atomic.digest(path):
            self._say(folder, f"holds the run {own}", f"name the folder {own} again")
        else:
            self._say(path, f"is not what this run was made from: it gives the id {own}")

    def _provenance(self) -> None:
        if self._read(self.paths.provenance, Provenance) is None and self.ended and not self.paths.provenance.exists():
            self._say(self.paths.provenance, "is missing: nothing tells which code and machine made the numbers")

    def _checkpoint(self) -> list[dict[str, Any]] | None:
        """The rows inside the checkpoint; None without one that can be read."""
        path = self.paths.checkpoint
        go_on = "run the experiment again: the run starts from the beginning; a copy restored before that goes on"
        advice = "remove it, or restore it from a copy: the run has ended and does not need it" if self.ended else go_on
        try:
            rows = checkpoint.unpack(path.read_bytes()).get("rows")
        except FileNotFoundError:
            return None
        except OSError as error:
            self.found.append(told(path, atomic.unusable(path, "be read", error)))
            return None
        except checkpoint.DamagedError as error:
            self._say(path, f"is damaged: {error}", advice)
            return None
        if not isinstance(rows, list):
            self._say(path, "is no checkpoint: it has no rows", advice)
            return None
        return rows

    def _rows(self, saved: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        """The rows of metrics.jsonl as written; None when something is wrong with them."""
        path, before = self.paths.metrics, len(self.found)
        advice = RESTORE if self.ended or saved is None else GOES_ON
        try:
            rows = [
                {name: encode(value) if isinstance(value, float) else value for name, value in row.items()}
                for row in read_rows(path)
            ]
        except StoreError as error:
            self._say(path, told(path, error).what, advice)
            return None
        gap = next((line for line, row in enumerate(rows, start=1) if row.get("epoch") != line), None)
        if gap is not None:
            self._say(path, f"line {gap} should hold epoch {gap}, but holds {rows[gap - 1].get('epoch')}", advice)
        elif self.ended:
            if path.exists() or (self.result and path.name in self.result.checksums):
                self._vouched(path)
        elif saved is not None and len(rows) < len(saved):
            self._say(path, f"has {len(rows)} of the {len(saved)} epochs that were over when the checkpoint was written", advice)
        elif saved is not None and rows[: len(saved)] != saved:
            epoch = next(number for number, (row, other) in enumerate(zip(rows, saved, strict=False), start=1) if row != other)
            self._say(path, f"epoch {epoch} is not the one inside the checkpoint", advice)
        return rows if len(self.found) == before else None

    def _compare(self, result: Result, rows: list[dict[str, Any]]) -> None:
        """Hold what result.json says against the rows it was made from."""
        said = result.model_extra or {}
        if result.state == "failed":
            # A run may fail after rows that a later start had not gone on from.
            epoch = result.metrics.get("epoch", 0)
            wrong = [] if epoch <= len(rows) else [f"epoch {epoch} for {len(rows)}"]
        else:
            last = {name: value for name, value in (rows[-1] if rows else {"epoch": None}).items() if name not in COSTS}
            wrong = [f"{name} {said.get(name)} for {value}" for name, value in last.items() if said.get(name) != value]
            metric = next((name.removesuffix("_fluctuation") for name in said if name.endswith("_fluctuation")), "")
            again = summary(rows, metric)
            wrong += [] if metric else ["no fluctuation"]
            # A sum may differ in its last bits between versions of Python.
            wrong += [
                f"{name} {said.get(name)} for {value}" for name, value in again.items() if not _close(said.get(name), value)
            ]
        if wrong:
            self._say(self.paths.result, f"disagrees with metrics.jsonl: {', '.join(wrong)}")

    def _predictions(self) -> None:
        path = self.paths.predictions
        if not path.exists() and (self.result is None or path.name not in self.result.checksums):
            return
        if self._vouched(path) and (wrong := wrong_arrays(path)):
            self._say(path, wrong)

    def _others(self) -> None:
        known = {path.name for path in (self.paths.spec, self.paths.provenance, self.paths.metrics, self.paths.checkpoint)}
        known |= {path.name for path in (self.paths.predictions, self.paths.result, self.paths.log, self.paths.files)}
        seen = lease.newest(self.paths.folder)
        if seen is not None and (seen.claim is None or seen.beat < 0):
            what = f"cannot be read; a worker takes the run over after {Timing().stale_s:.0f} s"
            self._say(self.paths.lease(seen.number), what, "", harmless=True)
        held = seen is not None and not seen.released and seen.age_s < Timing().stale_s
        for path in entries(self.paths.folder):
            if path.name in known or LEASE.fullmatch(path.name):
                continue
            if atomic.TEMPORARY.fullmatch(path.name):
                if not held:  # its writer may be at work
                    self.found.append(left_behind(path))
            elif path.name.startswith("result.") and path.suffix == ".json":
                self._read(path, Result)
            elif path.name.startswith("provenance.") and path.suffix == ".json":
                self._read(path, Provenance)
            else:
                self.found.append(foreign(path))


def wrong_arrays(path: Path) -> str | None:
    """What is wrong with the arrays of an .npz file, in words."""
    try:
        arrays = load_arrays(path)
    except Exception as error:  # whatever a reader raises on content it does not know
        return f"cannot be opened: {type(error).__name__}: {error}"
    for name, array in arrays.items():
        if array.size == 0:
            return f"{name} is empty (shape {array.shape})"
        if array.dtype.kind == "f" and not (abs(array) < math.inf).all():
            return f"{name} has values that are not finite"
    images = {name: len(arrays[name]) for name in ("probabilities", "labels") if name in arrays and arrays[name].ndim}
    return f"its arrays are of {' and '.join(map(str, images.values()))} images" if len(set(images.values())) > 1 else None


def load_arrays(path: Path) -> dict[str, Any]:
    """Name -> numpy array of an .npz file; raises what numpy raises, also for arrays that would need pickle."""
    import numpy as np

    # Opened here: numpy leaves a file open that it cannot read.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)
