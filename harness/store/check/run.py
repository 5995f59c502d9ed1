"""Check the files of a run.

Contradictions in the content are reported first, then checksums that do not match result.json. result.json is compared with its
own seal (a checksum of its fields; older results have none) and with the rows it was computed from.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from harness.common.shared_files import SharedFile
from harness.errors import PackageError, StoreError
from harness.experiment.run_id import Spec, run_id
from harness.store import atomic, checkpoint, lease, publication
from harness.store.check.finding import FileFinding, from_error, leftover, unknown_file
from harness.store.check.result import altered, contradictions, facts, fluctuating, wrong_choices
from harness.store.lease import LEASE, Timing
from harness.store.paths import Paths, RunPaths
from harness.store.provenance import Provenance
from harness.store.publication import Publication
from harness.store.records import Result, written_rows
from harness.store.run_summary import summary
from harness.store.temporaries import TEMPORARY
from harness.tasks.command.model import definition_digest

ModelT = TypeVar("ModelT", bound=BaseModel)

_RUN = RunPaths(Path())
KNOWN = frozenset(
    path.name
    for path in (
        *(_RUN.spec, _RUN.provenance, _RUN.metrics, _RUN.checkpoint, _RUN.predictions, _RUN.result, _RUN.log, _RUN.files),
        _RUN.cases,
    )
)
RESTORE = "restore it from a copy, or remove the run's folder to train it again"
REWRITTEN = "run the experiment again: it is rewritten from the checkpoint"


@dataclass(frozen=True)
class CheckedRun:
    """What the check of a run found, and what later checks compare its result with, so that its files are read once."""

    found: list[FileFinding]
    facts: Mapping[str, Any] | None  # `check.result.facts` of a completed run whose files can be read
    digest: str | None  # SHA-256 of result.json; None: it has none, or it cannot be read


def check_run(paths: RunPaths) -> list[FileFinding]:
    """All findings about the folder of a run."""
    return checked(paths).found


def checked(paths: RunPaths, published: Publication | None = None) -> CheckedRun:
    """The check of the folder of a run. Every file is read at most once; in a finished run's folder, only those that it lists.

    `published`: the results folder's publication, if the caller has read it.
    """
    run = _Run(paths)
    try:
        run.published = publication.read(Paths(paths.root)) if published is None else published
        run.check()
    except StoreError as error:
        run.found.append(from_error(paths.folder, error))
    except OSError as error:
        run.found.append(from_error(paths.folder, atomic.unusable(paths.folder, "be read", error)))
    return CheckedRun(run.found, run.facts, run.digests.get(paths.result.name))


class _Run:
    """The check of one run, in progress."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.found: list[FileFinding] = []
        self.result: Result | None = None
        self.spec: Spec | None = None
        self.facts: Mapping[str, Any] | None = None
        self.finished = False
        self.names: frozenset[str] = frozenset()  # in the folder
        self.published = publication.NONE
        self.digests: dict[str, str] = {}  # name of a file that was read -> its SHA-256

    def check(self) -> None:
        self.names = frozenset(atomic.names(self.paths.folder))
        # In this order: a worker that trains the run meanwhile can add rows after the checkpoint was read, but never lack some.
        self.result = self._read(self.paths.result, Result)
        self.finished = self._exists(self.paths.result)
        if self.result is not None and (wrong := altered(self.result)):
            self._add(self.paths.result, wrong)
        saved = self._checkpoint()
        self._spec()
        self._provenance()
        rows = self._rows(saved)
        if self.result is not None and rows is not None:
            self._compare(self.result, rows)
        self._predictions()
        self._others()

    def _add(self, path: Path, what: str, advice: str = RESTORE, harmless: bool = False) -> None:
        self.found.append(FileFinding(path, what, advice, harmless))

    def _content(self, path: Path) -> bytes | None:
        """The content of a file; None if it does not exist. Raises StoreError.

        Whoever trains the run may add files to those that were listed, but not if its result was among them.
        """
        if self._absent(path):
            return None
        try:
            data = atomic.read_bytes(path)
        except FileNotFoundError:
            return None
        self.digests[path.name] = hashlib.sha256(data).hexdigest()
        return data

    def _exists(self, path: Path) -> bool:
        """Whether a file exists, of which `_content` may have been called. Raises StoreError."""
        return path.name in self.digests or (not self._absent(path) and atomic.exists(path))

    def _absent(self, path: Path) -> bool:
        """Whether a file does not exist, without a call; False if that is not known."""
        return self.paths.result.name in self.names and path.name not in self.names

    def _read(self, path: Path, model: type[ModelT]) -> ModelT | None:
        try:
            data = self._content(path)
            return None if data is None else atomic.parse_json(data, path, model)
        except StoreError as error:
            self.found.append(from_error(path, error))
            return None

    def _unchanged(self, path: Path) -> bool:
        """Whether `path` matches the checksum in result.json (True without a result). Adds a finding if not."""
        if self.result is None:
            return True
        expected = self.result.checksums.get(path.name)
        if not self._exists(path):
            if expected is not None and not self.published.lacks(path):
                self._add(path, "is missing, but existed when the run finished")
            return False
        if expected is None:
            self._add(path, "has no checksum in result.json")
        elif self.digests.get(path.name) != expected:
            self._add(path, "has changed since the run finished: its checksum does not match result.json")
        else:
            return True
        return False

    def _spec(self) -> None:
        path, folder = self.paths.spec, self.paths.folder
        spec = self.spec = self._read(path, Spec)
        if spec is None:
            begun = self.finished or self._exists(self.paths.metrics) or self._exists(self.paths.checkpoint)
            if begun and not self._exists(path):
                self._add(path, "is missing: the configuration of this run is unknown")
            return
        try:
            own = run_id(spec.task, spec.version, spec.config, spec.seed, spec.data)
        except ValueError as error:
            self._add(path, f"cannot be hashed: {error}")
            return
        if spec.program is not None and (version := definition_digest(spec.program)) != spec.version:
            self._add(path, f"is not the original configuration of this run: its program gives the version {version}")
        elif own == folder.name:
            self._unchanged(path)
        elif self.result and self.result.checksums.get(path.name) == self.digests[path.name]:
            self._add(folder, f"holds the run {own}", f"rename the folder to {own}")
        else:
            self._add(path, f"is not the original configuration of this run: it gives the id {own}")

    def _provenance(self) -> None:
        path = self.paths.provenance
        origin = self._read(path, Provenance)
        if origin is None and self.finished and not self._exists(path):
            self._add(path, "is missing: the code and machine of this run are unknown")
        if origin is not None and not self.finished and lost_result(self.paths, origin):
            self._add(
                self.paths.result, "is missing, but the run had finished", "restore it from a copy, or run the experiment again"
            )
        expected = self.result.provenance_digest if self.result is not None else None
        run_id = self.paths.folder.name
        if origin is not None and expected is not None and not self.published.confirms(run_id, origin, expected):
            self._add(path, "was altered after the run finished: it does not match its digest in result.json")
        elif origin is not None:
            for name, run_id in origin.steps.items():
                self._step(name, RunPaths(self.paths.folder.parent / run_id))

    def _step(self, name: str, paths: RunPaths) -> None:
        """A step that this run used must still have the metrics that the run took over from it."""
        try:
            step, spec = atomic.read_json(paths.result, Result), atomic.read_json(paths.spec, Spec)
        except (FileNotFoundError, StoreError):  # the check of that run reports a damaged file
            if not atomic.exists(paths.result):
                self._add(
                    paths.folder, f"is the step {name} of {self.paths.folder.name}, and has no result here", "", harmless=True
                )
            return
        own = self.result.metrics if self.result is not None and self.result.state == "completed" else {}
        program = spec.program or {}
        names = [name for each in (program, *program.get("steps", {}).values()) for name in each.get("metrics", ())]
        if changed := [metric for metric in names if metric in own and own[metric] != step.metrics.get(metric)]:
            now = f"its step {name} (run {paths.folder.name}) has {step.metrics.get(changed[0])}"
            what = f"has {changed[0]} {own[changed[0]]}, but {now}: the step was trained again"
            self._add(self.paths.result, what, "remove the run's folder to train it again")

    def _checkpoint(self) -> list[dict[str, Any]] | None:
        """The rows in the checkpoint; None if it is missing or unreadable."""
        path = self.paths.checkpoint
        restart = "run the experiment again: the run starts from the beginning, unless a copy is restored first"
        advice = "remove it, or restore it from a copy: the run has finished and does not need it" if self.finished else restart
        try:
            if self._absent(path):
                return None
            rows = checkpoint.unpack(atomic.read_bytes(path)).get("rows")
        except FileNotFoundError:
            return None
        except OSError as error:
            self.found.append(from_error(path, atomic.unusable(path, "be read", error)))
            return None
        except PackageError as error:
            self.found.append(FileFinding(path, f"was not read: {error}", harmless=True))
            return None
        except checkpoint.DamagedError as error:
            self._add(path, f"is damaged: {error}", advice)
            return None
        if not isinstance(rows, list):
            self._add(path, "is not a checkpoint: it has no rows", advice)
            return None
        return rows

    def _rows(self, saved: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        """The rows of metrics.jsonl as written; None after a finding about them."""
        path, before = self.paths.metrics, len(self.found)
        advice = RESTORE if self.finished or saved is None else REWRITTEN
        try:
            data = self._content(path)
            rows = written_rows(data or b"", path)
        except StoreError as error:
            self._add(path, from_error(path, error).what, advice)
            return None
        if self.result is not None and self.result.state == "completed":
            self.facts = facts(self.result, rows[-1] if rows else {})
        gap = next((line for line, row in enumerate(rows, start=1) if row.get("epoch") != line), None)
        if gap is not None:
            self._add(path, f"line {gap} should hold epoch {gap}, but holds {rows[gap - 1].get('epoch')}", advice)
        elif self.finished:
            if data is not None or (self.result and path.name in self.result.checksums):
                self._unchanged(path)
        elif saved is not None and len(rows) < len(saved):
            self._add(path, f"has {len(rows)} of the {len(saved)} epochs in the checkpoint", advice)
        elif saved is not None and rows[: len(saved)] != saved:
            epoch = next(number for number, (row, other) in enumerate(zip(rows, saved, strict=False), start=1) if row != other)
            self._add(path, f"epoch {epoch} differs from the checkpoint", advice)
        return rows if len(self.found) == before else None

    def _compare(self, result: Result, rows: list[dict[str, Any]]) -> None:
        """Compare result.json with the rows it was computed from."""
        last = rows[-1] if rows else {}
        chosen = {name: rows[epoch - 1].get(name) if 0 < epoch <= len(rows) else None for name, epoch in result.taken.items()}
        wrong = contradictions(result, len(rows), last, summary(rows, fluctuating(result)), chosen)
        wrong += wrong_choices(result, self.spec.program if self.spec else None, lambda name: [row.get(name) for row in rows])
        if wrong:
            self._add(self.paths.result, f"disagrees with metrics.jsonl: {', '.join(wrong)}")

    def _predictions(self) -> None:
        path = self.paths.predictions
        data = self._content(path)
        if data is None and (self.result is None or path.name not in self.result.checksums):
            return
        if self._unchanged(path) and data is not None and (wrong := array_problem(io.BytesIO(data))):
            self._add(path, wrong)

    def _others(self) -> None:
        state = lease.newest(self.paths.folder)
        if state is not None and (state.claim is None or state.beat < 0):
            what = f"cannot be read; a worker takes over the run after {Timing().stale_s:.0f} s"
            self._add(self.paths.lease(state.number), what, "", harmless=True)
        held = state is not None and not state.released and state.age_s < Timing().stale_s
        for name in sorted(self.names if self.paths.result.name in self.names else atomic.names(self.paths.folder)):
            if name in KNOWN or LEASE.fullmatch(name):
                continue
            path = self.paths.folder / name
            if TEMPORARY.fullmatch(path.name):
                if not held:  # its writer may be running
                    self.found.append(leftover(path))
            elif path.name.startswith("result.") and path.suffix == ".json":
                self._read(path, Result)
            elif path.name.startswith("provenance.") and path.suffix == ".json":
                self._read(path, Provenance)
            else:
                self.found.append(unknown_file(path))


def lost_result(paths: RunPaths, origin: Provenance) -> bool:
    """Whether the run had finished, by its provenance, but its result is gone.

    A worker that was killed just before it wrote the result has not released its lease; a retry renames the result.
    """
    if origin.ended is None or atomic.exists(paths.result) or atomic.matches(paths.folder, "result.*.json"):
        return False
    state = lease.newest(paths.folder)
    return state is not None and state.released


def array_problem(file: io.BytesIO | SharedFile) -> str | None:
    """The first problem of the arrays in an .npz file, or None."""
    try:
        arrays = arrays_in(file)
    except Exception as error:  # readers raise many types for unexpected content
        return f"cannot be opened: {type(error).__name__}: {error}"
    for name, array in arrays.items():
        if array.size == 0:
            return f"{name} is empty (shape {array.shape})"
        if array.dtype.kind == "f" and not (abs(array) < math.inf).all():
            return f"{name} has values that are not finite"
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim} if "cases" in arrays else {}
    if len(set(lengths.values())) > 1:
        return f"its arrays have {', '.join(f'{name} {length}' for name, length in lengths.items())} cases"
    images = {name: len(arrays[name]) for name in ("probabilities", "labels") if name in arrays and arrays[name].ndim}
    return f"its arrays have {' and '.join(map(str, images.values()))} images" if len(set(images.values())) > 1 else None


def load_arrays(path: Path) -> dict[str, Any]:
    """Name -> numpy array of an .npz file. Raises StoreError and what numpy raises, also for arrays that need pickle."""
    with SharedFile(path) as stream:  # opened here: numpy does not close a file that it cannot read
        return arrays_in(stream)


def arrays_in(stream: io.BytesIO | SharedFile) -> dict[str, Any]:
    """`load_arrays` of an open file."""
    import numpy as np

    with np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
