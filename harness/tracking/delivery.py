"""results/wandb/runs/<run id>.json and plans/<name>.json: what W&B has received of a run, and of a plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import StoreError
from harness.store import atomic
from harness.store.lease import Watch
from harness.store.paths import Paths, RunPaths
from harness.store.provenance import Provenance
from harness.store.records import Store, encode, read_rows

COSTS = frozenset({"seconds", "samples_per_second", "peak_memory_bytes"})  # differ when an epoch is trained again


class Delivery(BaseModel):
    """What has been delivered. Created when a run that is to be mirrored starts."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    attempt: int = 1  # W&B's run ids are <run id>, <run id>-2, …: a run that was trained again gets its own page
    url: str | None = None  # of the run's page; None: W&B has not responded yet
    rows: tuple[str, ...] = ()  # a digest of each row sent online; empty string: unknown
    confirmed: int = 0  # number of rows that W&B reports
    ending: str | None = None  # SHA-256 of the result.json whose summary was delivered
    uploaded: Mapping[str, str] = {}  # artifact, or log -> SHA-256 of what was uploaded
    alerted: str | None = None  # SHA-256 of the last result.json that an alert was sent about


class PlanDelivery(BaseModel):
    """results/wandb/plans/<name>.json: what W&B has received of a plan, in the report's run of its group."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    due: str | None = None  # `Alert.about` of the last alert about its verdicts that a mirror was to send
    alerted: str | None = None  # that of the last one sent
    report: str | None = None  # `folder_digest` of the report that was uploaded
    figures: tuple[str, ...] = ()  # the names of its figures in W&B


def wandb_id(run_id: str, delivery: Delivery) -> str:
    """The run's id in W&B."""
    return run_id if delivery.attempt == 1 else f"{run_id}-{delivery.attempt}"


def load(paths: Paths, run_id: str) -> Delivery | None:
    """None: the run was not to be mirrored. A damaged file counts as nothing delivered."""
    try:
        return atomic.read_json(paths.delivery(run_id), Delivery)
    except FileNotFoundError:
        return None
    except StoreError:
        return Delivery()  # only a cache: W&B is asked how many rows it has


def save(paths: Paths, run_id: str, delivery: Delivery) -> None:
    """Raises StoreError."""
    path = paths.delivery(run_id)
    atomic.make_folder(path.parent)
    atomic.write_json(path, delivery)


def load_plan(paths: Paths, name: str) -> PlanDelivery | None:
    """None: nothing of the plan was to be sent. A damaged file counts as nothing sent."""
    try:
        return atomic.read_json(paths.plan_delivery(name), PlanDelivery)
    except FileNotFoundError:
        return None
    except StoreError:
        return PlanDelivery()


def save_plan(paths: Paths, name: str, known: PlanDelivery) -> None:
    """Raises StoreError."""
    path = paths.plan_delivery(name)
    atomic.make_folder(path.parent)
    atomic.write_json(path, known)


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and content of all files in `folder`. Raises StoreError, OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(folder)} {atomic.digest(path)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def row_digest(row: Mapping[str, Any]) -> str:
    """8 hex digits, equal for an epoch trained again: ignores timings."""
    kept = {name: encode(value) for name, value in row.items() if name not in COSTS}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def row_digests(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """`row_digest` of each."""
    return tuple(map(row_digest, rows))


def outdated(sent: Sequence[str], rows: Sequence[str]) -> bool:
    """Whether the first epoch differs from the one sent: then the run was trained again by different code.

    Later epochs may differ after a kill on hardware that is not deterministic; W&B keeps those sent first.
    """
    return bool(sent and rows and sent[0] and sent[0] != rows[0])


def is_delivered(delivery: Delivery | None, paths: RunPaths) -> bool:
    """Whether all rows, and the result if it exists, are delivered. Raises StoreError."""
    if delivery is None:
        return False
    if atomic.exists(paths.result):
        return delivery.ending == atomic.digest(paths.result)  # the result contains the rows' checksum
    rows = row_digests(read_rows(paths.metrics))
    return delivery.confirmed >= len(rows) and not outdated(delivery.rows, rows)


def link(store: Store, run_id: str, url: str, watch: Watch) -> bool:
    """Write the page's URL into a finished run's provenance, under its lease; False: the lease is held. Raises StoreError."""
    paths = store.paths.run(run_id)
    try:
        known = atomic.read_json(paths.provenance, Provenance)
    except FileNotFoundError:
        return True  # no file to write to
    if known.url == url:
        return True
    held = store.take(run_id, watch)
    if held is None:
        return False
    with held:
        atomic.write_json(paths.provenance, Provenance.model_validate({**dict(known), "url": url}), held)
    return True
