"""Runs' files -> W&B, for what the mirror could not deliver: what `harness sync` starts, and ends when its time is up.

It sends what W&B lacks from the runs' own files, not from W&B's: so it does not matter which of those a crash or an outage left,
and nothing is sent twice. Each outcome is one JSON line on standard output.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import StoreError
from harness.plan import Plan
from harness.store import atomic
from harness.store.paths import RunPaths
from harness.store.records import Store
from harness.tracking import delivery
from harness.tracking.client import Client, UnreachableError
from harness.tracking.mirror import Mirror, end_after
from harness.tracking.page import Ending, Page, secrets_in, without_secrets
from harness.tracking.workspace import make

LEFT_S = 10.0  # after its time was up, for a command that was killed and ends nothing
UPLOADS = ("weights", "predictions", "report")


@dataclass(frozen=True)
class Parcel:
    """A run and what of it is still to be delivered. `training`: a mirror has it, or a later `sync`."""

    run_id: str
    rows: int
    state: Literal["delivered", "waiting", "training"]
    url: str | None
    uploads: tuple[str, ...] = ()


def survey(store: Store, run_ids: Iterable[str], uploads: Collection[str] = ()) -> list[Parcel]:
    """What there is to deliver of each run that has begun. Reads files only. Raises StoreError."""
    parcels = []
    for run_id in run_ids:
        record = store.record(run_id)
        if record.state == "pending":
            continue
        paths, known = store.paths.run(run_id), delivery.load(store.paths, run_id)
        sent = known.uploaded if known else {}
        wanted = [(kind, file) for kind, file in _files(paths).items() if kind in uploads and file.exists()]
        missing = tuple(kind for kind, file in wanted if sent.get(kind) != atomic.digest(file)) if record.ended else ()
        state: Literal["delivered", "waiting", "training"] = "waiting"
        if record.state == "running":
            state = "training"
        elif delivery.arrived(known, paths) and not missing:
            state = "delivered"
        parcels.append(Parcel(run_id, record.epoch, state, known.url if known else None, missing))
    return parcels


def mirrored_runs(store: Store) -> list[str]:
    """Every run that was to be mirrored, sorted."""
    found = (path.stem for path in store.paths.wandb.glob("runs/*.json"))
    return sorted(run_id for run_id in found if store.paths.run(run_id).folder.is_dir())


def deliver(store: Store, client: Client, parcels: Iterable[tuple[str, Sequence[str]]]) -> Iterator[dict[str, Any]]:
    """Deliver runs with the uploads named beside them; stops at the first that W&B does not take: the server has trouble."""
    said: list[str] = []
    mirror = Mirror(store, client, said.append, falls_back=False)
    for run_id, uploads in parcels:
        said.clear()
        mirror.begin(run_id)
        opened = mirror.open_run(run_id)
        paths, sums = store.paths.run(run_id), {}
        arrived = False
        if opened is not None:
            try:
                for kind in uploads:
                    sums[kind] = atomic.digest(_files(paths)[kind])
                    opened.upload(f"{kind}-{run_id}", kind, [_files(paths)[kind]])
            except (UnreachableError, StoreError) as error:
                said.append(str(error))
                sums.clear()
            arrived = mirror.end(run_id)
        known = delivery.load(store.paths, run_id)
        if arrived and known is not None and sums:
            known = delivery.Delivery.model_validate({**dict(known), "uploaded": {**known.uploaded, **sums}})
            delivery.save(store.paths, run_id, known)
        mirror.tick()  # links of runs whose lease was busy
        if not arrived:
            yield {"run": run_id, "delivered": False, "error": said[-1] if said else "W&B has fewer rows than were sent"}
            return
        yield {"run": run_id, "delivered": True, "url": known.url if known else None}


def deliver_report(client: Client, plan: Plan, folder: Path) -> dict[str, Any]:
    """Upload a report's folder, as an artifact of a run of its own in the experiment's group."""
    run_id = "report-" + hashlib.sha256(plan.name.encode()).hexdigest()[:12]
    config = without_secrets({"plan": plan.name, "question": plan.question})
    try:
        for file in filter(Path.is_file, folder.rglob("*")):
            if names := secrets_in(file.read_bytes()):
                raise UnreachableError(f"{file} holds the value of {names[0]}, as the experiment does; not uploaded")
        opened = client.open(Page(run_id, f"report · {plan.name}"[:128], plan.name[:128], "report", (), config), online=True)
        opened.upload(run_id, "report", [folder])
        opened.finish(Ending({"state": "completed"}, 0))
    except (UnreachableError, OSError) as error:
        return {"report": plan.name, "delivered": False, "error": str(error)}
    return {"report": plan.name, "delivered": True, "url": opened.url}


def _files(paths: RunPaths) -> Mapping[str, Path]:
    return {"weights": paths.checkpoint, "predictions": paths.predictions}


def main(argv: Sequence[str]) -> int:
    """`<results> <seconds>`, and on standard input {"runs": [[id, [upload, …]], …], "reports": [plan, …], "workspaces": […]}."""
    root, seconds = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_after(float(seconds) + LEFT_S)
    store, wanted = Store.open(Path(root), create=False), json.load(sys.stdin)
    client = Client(store.paths, finish_s=float(seconds))
    failed = False
    for told in deliver(store, client, wanted["runs"]):
        failed = failed or not told["delivered"]
        print(json.dumps(told), flush=True)
    for name in wanted["reports"] if not failed else ():
        plan = store.load_plan(name)
        if plan is not None:
            print(json.dumps(deliver_report(client, plan, store.paths.report(name))), flush=True)
    for plain in wanted["workspaces"] if not failed else ():
        try:
            print(json.dumps({"workspace": plain["name"], "delivered": True, "url": make(plain, store.paths)}), flush=True)
        except UnreachableError as error:
            print(json.dumps({"workspace": plain["name"], "delivered": False, "error": str(error)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
