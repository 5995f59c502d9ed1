"""results/wandb/runs/<run id>.json -> what of a run has arrived at W&B, and what has not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
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
    """What is known to have arrived. There is one for each run that was to be mirrored, from its start on."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    attempt: int = 1  # W&B's run ids are <run id>, <run id>-2, …: a run that was trained anew gets a page of its own
    url: str | None = None  # of the run's page; None until W&B has answered
    rows: tuple[str, ...] = ()  # a digest of each row that was handed to W&B online; empty where that is not known
    confirmed: int = 0  # rows that W&B says it has
    ending: str | None = None  # SHA-256 of the result.json whose summary arrived
    uploaded: Mapping[str, str] = {}  # artifact -> SHA-256 of what was uploaded


def wandb_id(run_id: str, delivery: Delivery) -> str:
    """What W&B calls the run."""
    return run_id if delivery.attempt == 1 else f"{run_id}-{delivery.attempt}"


def load(paths: Paths, run_id: str) -> Delivery | None:
    """What has arrived of the run; None when it was not to be mirrored. A damaged file counts as nothing arrived."""
    try:
        return atomic.read_json(paths.delivery(run_id), Delivery)
    except FileNotFoundError:
        return None
    except StoreError:
        return Delivery()  # only a memory: W&B itself is asked how many rows it has


def save(paths: Paths, run_id: str, delivery: Delivery) -> None:
    """Raises StoreError."""
    path = paths.delivery(run_id)
    atomic.make_folder(path.parent)
    atomic.write_json(path, delivery)


def row_digest(row: Mapping[str, Any]) -> str:
    """8 hex digits that are equal for a row and the same epoch trained again: timings are left out."""
    kept = {name: encode(value) for name, value in row.items() if name not in COSTS}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def row_digests(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """`row_digest` of each."""
    return tuple(map(row_digest, rows))


def outdated(sent: Sequence[str], rows: Sequence[str]) -> bool:
    """Whether W&B shows another training: the first epoch has other values now, so the run was trained anew, by other code.

    Later epochs that differ were trained again after a kill, on hardware that does not repeat bits: there W&B keeps the first.
    """
    return bool(sent and rows and sent[0] and sent[0] != rows[0])


def is_delivered(delivery: Delivery | None, paths: RunPaths) -> bool:
    """Whether the run's rows so far, and its ending if there is one, have arrived. Raises StoreError."""
    if delivery is None:
        return False
    if paths.result.exists():
        return delivery.ending == atomic.digest(paths.result)  # which names the rows by their checksum
    rows = row_digests(read_rows(paths.metrics))
    return delivery.confirmed >= len(rows) and not outdated(delivery.rows, rows)


def link(store: Store, run_id: str, url: str, watch: Watch) -> bool:
    """Write the page's URL into the provenance of a run that has ended, under its lease; False when another holds that.

    Raises StoreError.
    """
    paths = store.paths.run(run_id)
    try:
        known = atomic.read_json(paths.provenance, Provenance)
    except FileNotFoundError:
        return True  # nothing to write it into
    if known.url == url:
        return True
    held = store.take(run_id, watch)
    if held is None:
        return False
    with held:
        atomic.write_json(paths.provenance, Provenance.model_validate({**dict(known), "url": url}), held)
    return True
