"""A results folder -> records of its runs: where each stands; with the plans and searches that ask for them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError, StoreError
from harness.store import atomic, checkpoint, lease
from harness.store.atomic import Fence
from harness.store.catalog import Catalog
from harness.store.lease import Holder, Lease, Liveness, Timing, Watch
from harness.store.paths import Paths, RunPaths

End = Literal["completed", "diverged", "failed"]
State = Literal["pending", "running", "interrupted", "completed", "diverged", "failed"]
Reason = Literal["oom", "bug", "data", "disk", "killed", "exit", "timeout", "output"]
Value = int | float | str | bool | None


class Result(BaseModel):
    """result.json: how a run ended. Metrics stand beside the fields; a non-finite one is the string nan, inf or -inf."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    state: End
    reason: Reason | None = None
    error: str | None = None
    traceback_digest: str | None = None  # equal for failures at the same place of the code
    ended: str | None = None  # ISO 8601, UTC
    checksums: Mapping[str, str] = {}  # file name -> SHA-256, of the files that were whole when the run ended

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers beside the fields; what was not measured is left out."""
        numbers = {name: decode(value) for name, value in (self.model_extra or {}).items()}
        return {name: value for name, value in numbers.items() if isinstance(value, int | float)}


@dataclass(frozen=True)
class Record:
    """Where one run stands. `state` says which fields mean something."""

    id: str
    state: State
    reason: str | None = None  # failed
    error: str | None = None  # failed, diverged: one line
    epoch: int = 0  # rows so far
    metrics: Mapping[str, float] = field(default_factory=dict)  # ended
    seconds: float | None = None  # ended: time spent training
    ended_at: str | None = None  # ended: ISO 8601, UTC
    traceback_digest: str | None = None  # failed
    host: str | None = None  # running, and interrupted without a release: where, which process, under which SLURM job
    pid: int | None = None
    job: str | None = None
    beat_age_s: float | None = None
    known_alive: bool = False  # running: this observer saw it live, rather than not yet long enough to tell

    @property
    def ended(self) -> bool:
        """Whether there is a result."""
        return self.state in ("completed", "diverged", "failed")


@dataclass(frozen=True)
class Store(Catalog):
    """A results folder: its plans and searches, and its runs, which are written by `attempt`, under a lease."""

    @classmethod
    def open(cls, root: Path, create: bool = True, must_exist: bool = True) -> Store:
        """The store at `root`. Raises StoreError: no folder (unless one is made or need not be there), not writable.

        Tasks keep what can be rebuilt in its cache, in child processes too, unless $HARNESS_CACHE names another place.
        """
        paths = Paths(Path(root))
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root}: is a file; name a folder with --results")
        if create:
            for folder in (paths.plans, paths.runs, paths.cache):
                atomic.make_folder(folder)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise StoreError(
                        f"{folder}: cannot be written; change its permissions, or choose another folder with --results"
                    )
        elif must_exist and not root.exists():
            raise StoreError(f"{root}: no such results folder; run an experiment first, or name another folder with --results")
        os.environ.setdefault("HARNESS_CACHE", str(paths.cache.absolute()))
        return cls(paths)

    def record(self, run_id: str, watch: Watch | None = None) -> Record:
        """Where the run stands. With `watch`, other holders are judged by what that observer saw; else by their files' age."""
        paths = self.paths.run(run_id)
        result = self.result(run_id)
        return _ended(run_id, result) if result else _unfinished(run_id, paths, watch)

    def records(self, run_ids: Iterable[str], watch: Watch | None = None) -> dict[str, Record]:
        """`record` of each, in their order."""
        return {run_id: self.record(run_id, watch) for run_id in run_ids}

    def result(self, run_id: str) -> Result | None:
        """How the run ended, or None. Raises StoreError when that is damaged or from a newer version."""
        try:
            return atomic.read_json(self.paths.run(run_id).result, Result)
        except FileNotFoundError:
            return None

    def take(self, run_id: str, watch: Watch) -> Lease | None:
        """The right to train the run, or None when another worker has it."""
        paths = self.paths.run(run_id)
        return lease.take(paths.folder, watch, checkpoint.stamp(paths.checkpoint))

    def set_aside(self, run_id: str, held: Lease, keep_checkpoint: bool) -> None:
        """Make an ended run pending again; its result stays as `result.<n>.json`. Raises StoreError, SupersededError.

        Without its checkpoint nothing of it enters the next result: then its provenance.json goes with the result.
        """
        paths = self.paths.run(run_id)
        held.check()
        try:
            if not keep_checkpoint:
                atomic.remove(paths.checkpoint)
                atomic.remove(paths.metrics)
                atomic.remove_folder(paths.files)
                if paths.provenance.exists():
                    paths.provenance.replace(paths.earlier_provenance(held.number))
            paths.result.replace(paths.earlier_result(held.number))  # last: killed before it, the run is still to be set aside
        except OSError as error:
            raise atomic.unusable(paths.result, "be set aside", error) from error


def encode(value: Any) -> Value:
    """A number as JSON can hold it: non-finite ones become strings, numpy's and torch's plain numbers."""
    if value is None or isinstance(value, str | bool):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, int) or math.isfinite(number):
        return cast(Value, number)
    return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"


def decode(value: Any) -> Any:
    """The number that `encode` was given."""
    return float(value) if value in ("nan", "inf", "-inf") else value


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], fence: Fence | None = None) -> None:
    """Replace metrics.jsonl by `rows`. Raises StoreError, and what `fence` raises."""
    lines = (json.dumps({name: encode(value) for name, value in row.items()}, allow_nan=False) + "\n" for row in rows)
    atomic.write_text(path, "".join(lines), fence)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, non-finite numbers as floats; none without a file. StoreError names a damaged line."""
    advice = "restore it from a copy, or remove the run's folder to train it again"
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; {advice}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append({name: decode(value) for name, value in json.loads(line).items()})
        except (ValueError, AttributeError) as error:
            raise StoreError(f"{path}:{number}: {line[:40]!r} is no JSON object; {advice}") from error
    return rows


def rows_so_far(paths: RunPaths, record: Record) -> list[dict[str, Any]]:
    """`read_rows` of the run. A damaged file counts as none until the run has ended: going on from the checkpoint mends it."""
    try:
        return read_rows(paths.metrics)
    except StoreError:
        if record.ended:
            raise
        return []


def _ended(run_id: str, result: Result) -> Record:
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
    )


def _unfinished(run_id: str, paths: RunPaths, watch: Watch | None) -> Record:
    seen = lease.newest(paths.folder)
    if seen is None:
        return Record(run_id, "pending")
    epoch = _count_rows(paths.metrics)
    if seen.released:
        begun = epoch > 0 or checkpoint.stamp(paths.checkpoint) is not None
        return Record(run_id, "interrupted" if begun else "pending", epoch=epoch)
    observer = watch or Watch(Timing(), Holder.here())
    found = observer.liveness(seen)
    gone = observer.seems_gone(seen) if watch is None else found is Liveness.GONE  # a look's guess is good enough to show
    holder = seen.claim.holder if seen.claim else None
    return Record(
        id=run_id,
        state="interrupted" if gone else "running",
        epoch=epoch,
        host=holder.host if holder else None,
        pid=holder.pid if holder else None,
        job=holder.job if holder else None,
        beat_age_s=seen.age_s,
        known_alive=found is Liveness.ALIVE,
    )


def _count_rows(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError as error:
        if error.errno in atomic.REPLACED:
            return 0
        raise atomic.unusable(path, "be read", error) from error


def find_run(store: Store, start: str) -> str:
    """The run on disk whose id starts with `start`. Raises InputError when none or several do."""
    folders = store.paths.runs.glob(f"{start}*/spec.json")
    found = sorted(spec.parent.name for spec in folders)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"run {start!r} is not the only one; allowed: {', '.join(found[:10])}")
    raise InputError(
        f"no run {start!r} in {store.paths.runs}; it has not begun, or is elsewhere (harness status PLAN --json lists run ids)"
    )
