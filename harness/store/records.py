"""The results folder: the state and result of each run, besides plans and searches."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from harness.errors import StoreError
from harness.store import atomic, checkpoint, lease
from harness.store import root as store_root
from harness.store.catalog import Catalog
from harness.store.holder import Holder
from harness.store.lease import Lease, Liveness, Timing, Watch
from harness.store.paths import Paths, RunPaths
from harness.store.temporaries import Fence
from harness.tasks.command.code import place

FinalState = Literal["completed", "diverged", "failed"]
State = Literal["pending", "running", "interrupted", "completed", "diverged", "failed"]
Reason = Literal["oom", "bug", "data", "disk", "killed", "exit", "timeout", "output"]
Value = int | float | str | bool | None
NOT_FINITE = frozenset({"nan", "inf", "-inf", math.inf, -math.inf})  # in metrics.jsonl, and numbers too large for a float
FEW = 8  # runs of which each is looked up: fewer calls than the listing of all runs of a large folder
_set_here: dict[str, str] = {}  # variables that this process has set: another store of it sets them anew


class Result(BaseModel):
    """result.json. Metrics are additional fields; a non-finite one is the string nan, inf or -inf."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    state: FinalState
    reason: Reason | None = None
    error: str | None = None
    traceback_digest: str | None = None  # equal for failures at the same place in the code
    failed_step: str | None = None  # the run id of the step whose failure or divergence this result reports
    ended: str | None = None  # ISO 8601, UTC
    checksums: Mapping[str, str] = {}  # file name -> SHA-256 of the files when the run finished
    taken: Mapping[str, int] = Field({}, exclude_if=lambda value: not value)  # metric -> the epoch of its value, if not the last
    provenance_digest: str | None = None  # `provenance.content_digest` of provenance.json; None in results from before it
    seal: str | None = None  # `result_seal.seal` of all other fields; None in results from before it

    @model_serializer(mode="wrap")
    def _without_a_step_that_is_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = dump(self)
        if self.failed_step is None:
            found.pop("failed_step", None)
        return found

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> number, without those that were not measured."""
        numbers = {name: decode(value) for name, value in (self.model_extra or {}).items()}
        return {name: value for name, value in numbers.items() if isinstance(value, int | float)}


@dataclass(frozen=True, slots=True)
class Record:
    """The state of a run. Comments name the states in which a field is set."""

    id: str
    state: State
    reason: str | None = None  # failed
    error: str | None = None  # failed, diverged: one line
    epoch: int = 0  # rows in metrics.jsonl
    metrics: Mapping[str, float] = field(default_factory=dict)  # finished
    seconds: float | None = None  # finished: time spent training
    ended_at: str | None = None  # finished: ISO 8601, UTC
    traceback_digest: str | None = None  # failed
    failed_step: str | None = None  # failed, diverged: the run id of the step that did
    host: str | None = None  # running, or interrupted without releasing the lease: host, process, SLURM job
    pid: int | None = None
    job: str | None = None
    beat_age_s: float | None = None
    known_alive: bool = False  # running: observed alive, rather than not yet known
    digest: str | None = field(default=None, compare=False)  # finished, and read from result.json: the SHA-256 of that file

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return self.state in ("completed", "diverged", "failed")


@dataclass(frozen=True)
class Store(Catalog):
    """A results folder: its plans and searches, and its runs, which `execution.attempt` writes under a lease."""

    @classmethod
    def open(cls, root: Path, create: bool = True, must_exist: bool = True, write: bool = False) -> Store:
        """The store at `root`. Raises StoreError if it is missing (unless `create` or not `must_exist`) or not writable.

        `write`: its runs will be trained; implied by `create`. Only then anything is written to it.
        Sets $HARNESS_CACHE, if unset, to its cache folder for tasks, and $HARNESS_CHECKOUTS, unless the caller has set it, to its
        folder for versions of code, also in child processes.
        """
        paths = Paths(Path(root))
        if create:
            store_root.create(paths.root)
        store_root.open_for_reading(paths.root)
        if must_exist and not create and not atomic.exists(paths.root):
            raise StoreError(f"{root}: no such results folder; run an experiment first, or choose another folder with --results")
        if create or write:
            for folder in (paths.root, paths.plans, paths.runs, paths.cache):
                atomic.make_folder(folder)
                store_root.refuse_unwritable(folder)
            store_root.open_for_writing(paths.root)
        os.environ.setdefault("HARNESS_CACHE", str(paths.cache.absolute()))
        if os.environ.get(place.VARIABLE) in (None, _set_here.get(place.VARIABLE)):
            _set_here[place.VARIABLE] = os.environ[place.VARIABLE] = str(paths.checkouts.absolute())
        return cls(paths)

    def record(self, run_id: str, watch: Watch | None = None) -> Record:
        """The state of the run. Whether a holder is alive is judged by `watch`, without it by the age of its lease."""
        paths = self.paths.run(run_id)
        try:
            data = atomic.read_bytes(paths.result)
        except FileNotFoundError:
            return _unfinished(run_id, paths, watch)
        result = atomic.parse_json(data, paths.result, Result)
        return finished_record(run_id, result, hashlib.sha256(data).hexdigest())

    def records(self, run_ids: Iterable[str], watch: Watch | None = None) -> dict[str, Record]:
        """`record` of each, in this order. Runs that have not begun are pending: they cost no call each."""
        ids = tuple(run_ids)
        begun = {*self.begun(ids)}
        return {run_id: self.record(run_id, watch) if run_id in begun else Record(run_id, "pending") for run_id in ids}

    def begun(self, run_ids: Iterable[str]) -> list[str]:
        """Those of the runs that may have a folder, in this order: of more than a few, by one listing of all runs."""
        ids = tuple(run_ids)
        if len(ids) <= FEW:
            return [*ids]
        present = {*atomic.names(self.paths.runs)}
        return [run_id for run_id in ids if run_id in present]

    def with_results(self, run_ids: Iterable[str]) -> list[str]:
        """Those of the runs that have a result, readable or not, in this order."""
        return [run_id for run_id in self.begun(run_ids) if self.has_result(run_id)]

    def has_result(self, run_id: str) -> bool:
        """Whether the run has a result, readable or not."""
        return atomic.exists(self.paths.run(run_id).result)

    def result(self, run_id: str) -> Result | None:
        """The result of the run, or None. Raises StoreError if it is damaged or from a newer version."""
        try:
            return atomic.read_json(self.paths.run(run_id).result, Result)
        except FileNotFoundError:
            return None

    def take(self, run_id: str, watch: Watch, announce: Callable[[], None] = lambda: None) -> Lease | None:
        """Take the lease of the run; None if another worker holds it. `announce`: see `Lease`.

        Raises StoreError, also if the results folder is away.
        """
        store_root.confirm(self.paths.root)
        paths = self.paths.run(run_id)
        return lease.take(paths.folder, watch, lambda: checkpoint.stamp(paths.checkpoint), announce)

    def archive_result(self, run_id: str, held: Lease, keep_checkpoint: bool) -> None:
        """Make a finished run pending again; its result stays as `result.<n>.json`. Raises StoreError, SupersededError.

        If the checkpoint is deleted, the retry starts from the beginning: then provenance.json is archived as well.
        """
        paths = self.paths.run(run_id)
        held.check()
        if not keep_checkpoint:
            atomic.remove(paths.checkpoint)
            atomic.remove(paths.metrics)
            atomic.remove_folder(paths.files)
            with suppress(FileNotFoundError):
                atomic.move(paths.provenance, paths.earlier_provenance(held.number))
        try:  # last: if this process is killed before, the run still counts as finished
            atomic.move(paths.result, paths.earlier_result(held.number))
        except FileNotFoundError as error:
            raise atomic.unusable(paths.result, "be archived", error) from error


def encode(value: Any) -> Value:
    """A number for JSON: non-finite ones become strings, those of numpy and torch Python numbers."""
    if value is None or isinstance(value, str | bool):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, int) or math.isfinite(number):
        return cast(Value, number)
    return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    return float(value) if value in ("nan", "inf", "-inf") else value


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], fence: Fence | None = None, *, flush_name: bool = True) -> None:
    """Replace metrics.jsonl by `rows`; `flush_name` as in `atomic`. Raises StoreError and what `fence.check` raises."""
    lines = (json.dumps({name: encode(value) for name, value in row.items()}, allow_nan=False) + "\n" for row in rows)
    atomic.write_text(path, "".join(lines), fence, flush_name=flush_name)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, non-finite numbers as floats; none without a file. Raises StoreError with the damaged line."""
    try:
        return parse_rows(atomic.read_bytes(path), path)
    except FileNotFoundError:
        return []


def parse_rows(data: bytes, path: Path) -> list[dict[str, Any]]:
    """The rows in `data`, which was read from `path`; as `read_rows`."""
    if (quick := _ordinary_rows(data)) is not None:
        return quick
    advice = "restore it from a copy, or remove the run's folder to train it again"
    try:
        lines = data.decode().removesuffix("\n").split("\n") if data else []  # strings may hold what else ends a line
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: cannot be read: {error}; {advice}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append({name: decode(value) for name, value in json.loads(line).items()})
        except (ValueError, AttributeError) as error:
            raise StoreError(f"{path}:{number}: invalid JSON object {line[:40]!r}; {advice}") from error
    return rows


def written_rows(data: bytes, path: Path) -> list[dict[str, Any]]:
    """`parse_rows`, but non-finite numbers are strings, as they are written."""
    if (quick := _ordinary_rows(data)) is not None:
        return quick
    rows = parse_rows(data, path)
    return [{name: encode(value) if isinstance(value, float) else value for name, value in row.items()} for row in rows]


def _ordinary_rows(data: bytes) -> list[dict[str, Any]] | None:
    """The rows, parsed at once, if every line is one flat object of finite numbers and other values; else None.

    With as many objects as lines and braces, no brace is in a string: each line is one object.
    """
    lines = data.count(b"\n")
    flat = data[:1] == b"{" and data[-2:] == b"}\n" and data.count(b"}\n{") == lines - 1
    if not flat or data.count(b"{") != lines or data.count(b"}") != lines or b"[" in data or b"NaN" in data:
        return None
    try:
        rows: list[dict[str, Any]] = json.loads("[" + data[:-1].decode().replace("\n", ",") + "]")
    except ValueError:
        return None
    ordinary = len(rows) == lines and not any(value in NOT_FINITE for row in rows for value in row.values())
    return rows if ordinary else None


def rows_so_far(paths: RunPaths, record: Record) -> list[dict[str, Any]]:
    """`read_rows`, but empty for a damaged file of an unfinished run: resuming from the checkpoint rewrites it."""
    try:
        return read_rows(paths.metrics)
    except StoreError:
        if record.finished:
            raise
        return []


def finished_record(run_id: str, result: Result, digest: str | None = None) -> Record:
    """The record of a run with this result. `digest`: SHA-256 of its file."""
    metrics = result.metrics
    return Record(
        id=run_id,
        state=result.state,
        reason=result.reason,
        error=result.error,
        epoch=int(metrics.get("epoch", 0)),
        metrics=metrics,
        seconds=metrics.get("train_seconds"),
        ended_at=result.ended,
        traceback_digest=result.traceback_digest,
        failed_step=result.failed_step,
        digest=digest,
    )


def _unfinished(run_id: str, paths: RunPaths, watch: Watch | None) -> Record:
    observed = lease.newest(paths.folder)
    if observed is None:
        return Record(run_id, "pending")
    epoch = _count_rows(paths.metrics)
    if observed.released:
        begun = epoch > 0 or checkpoint.stamp(paths.checkpoint) is not None
        return Record(run_id, "interrupted" if begun else "pending", epoch=epoch)
    observer = watch or Watch(Timing(), Holder.here())
    found = observer.liveness(observed)
    gone = observer.seems_gone(observed) if watch is None else found is Liveness.GONE  # for display, a guess is enough
    holder = observed.claim.holder if observed.claim else None
    return Record(
        id=run_id,
        state="interrupted" if gone else "running",
        epoch=epoch,
        host=holder.host if holder else None,
        pid=holder.pid if holder else None,
        job=holder.job if holder else None,
        beat_age_s=observed.age_s,
        known_alive=found is Liveness.ALIVE,
    )


def _count_rows(path: Path) -> int:
    try:
        return atomic.read_bytes(path).count(b"\n")
    except FileNotFoundError:
        return 0
