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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import atomic, lease
from harness.store.paths import RunPaths
from harness.store.records import Store
from harness.tracking import delivery
from harness.tracking.client import Client, Limits, UnreachableError
from harness.tracking.mirror import Runs, end_after
from harness.tracking.page import Ending, Page, secrets_in, without_secrets
from harness.tracking.session import Session
from harness.tracking.uploader import Uploader
from harness.tracking.workspace import make

LEFT_S = 10.0  # after its time was up, for a command that was killed and ends nothing
GIVES_UP_AFTER = 2  # runs in a row that W&B did not open: it is not the runs that have trouble


@dataclass(frozen=True)
class Parcel:
    """A run and what of it is still to be delivered. `training`: a mirror has it, or a later `sync`.

    `lacking`: what was asked for of a run that completed, and that it does not have.
    """

    run_id: str
    rows: int
    state: Literal["delivered", "waiting", "training"]
    url: str | None
    uploads: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


def survey(store: Store, run_ids: Iterable[str], uploads: Collection[str] = ()) -> list[Parcel]:
    """What there is to deliver of each run that has begun. Reads files only.

    A run whose files are damaged waits, with all that is asked for: why it cannot be delivered is told where that is tried.
    """
    parcels = []
    for run_id in run_ids:
        try:
            parcel = _parcel(store, run_id, uploads)
        except StoreError:
            there = [kind for kind, file in _files(store.paths.run(run_id)).items() if kind in uploads and file.exists()]
            parcel = Parcel(run_id, 0, "waiting", None, tuple(there))
        if parcel is not None:
            parcels.append(parcel)
    return parcels


def _parcel(store: Store, run_id: str, uploads: Collection[str]) -> Parcel | None:
    """The run's; None where it has not begun. Raises StoreError."""
    record = store.record(run_id)
    if record.state == "pending":
        return None
    paths, known = store.paths.run(run_id), delivery.load(store.paths, run_id)
    sent = known.uploaded if known else {}
    asked = {kind: file for kind, file in _files(paths).items() if kind in uploads and record.finished}
    missing = tuple(kind for kind, file in asked.items() if file.exists() and sent.get(kind) != atomic.digest(file))
    lacking = tuple(kind for kind, file in asked.items() if not file.exists() and kind not in sent)
    state: Literal["delivered", "waiting", "training"] = "waiting"
    if record.state == "running":
        state = "training"
    elif delivery.arrived(known, paths) and not missing:
        state = "delivered"
    url = known.url if known else None
    return Parcel(run_id, record.epoch, state, url, missing, lacking if record.state == "completed" else ())


def mirrored_runs(store: Store) -> list[str]:
    """Every run that was to be mirrored, sorted: also those that a mirror which was killed did not see."""
    found = {path.stem for path in store.paths.wandb.glob("runs/*.json")}
    for file in store.paths.tracking_sessions.glob("*.json"):
        # Its mirror may end just now, or its plan be unreadable, which is told elsewhere.
        with suppress(StoreError, FileNotFoundError):
            session = atomic.read_json(file, Session)
            runs = (run_id for run_id in Runs(store, session).ids() if run_id not in found)
            found |= {run_id for run_id in runs if session.worker(lease.newest(store.paths.run(run_id).folder))}
    return sorted(run_id for run_id in found if store.paths.run(run_id).folder.is_dir())


def deliver(store: Store, client: Client, parcels: Iterable[tuple[str, Sequence[str]]]) -> Iterator[dict[str, Any]]:
    """Deliver runs with the uploads named beside them; what became of each that was tried.

    A run that its own files, or W&B's answer to it, keep from arriving leaves the next ones to be tried; where W&B opens none,
    the rest is left for later.
    """
    said: list[str] = []
    uploader = Uploader(store, client, said.append, falls_back=False)
    for run_id, uploads in parcels:
        said.clear()
        if not uploader.reserve(run_id):
            yield {"run": run_id, "delivered": False, "error": "another process delivers it now"}
            continue
        files = _files(store.paths.run(run_id))
        opened = uploader.begin(run_id)
        attached = [uploader.attach(run_id, kind, files[kind]) for kind in uploads if opened]
        arrived = uploader.finish(run_id) and all(attached)
        uploader.send()  # links of runs whose lease was busy
        if arrived:
            known = delivery.load(store.paths, run_id)
            yield {"run": run_id, "delivered": True, "url": known.url if known else None}
        else:
            error = "; ".join(dict.fromkeys(said)) or "W&B has fewer rows than were sent"
            yield {"run": run_id, "delivered": False, "error": error}
        if uploader.unopened >= GIVES_UP_AFTER:
            return


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
    client = Client(store.paths, Limits(finish_s=float(seconds)))
    tried = 0
    for told in deliver(store, client, wanted["runs"]):
        tried += 1
        print(json.dumps(told), flush=True)
    if tried < len(wanted["runs"]):
        return 0  # W&B opens nothing; whoever started this counts what was not tried
    for name in wanted["reports"]:
        plan = store.load_plan(name)
        if plan is not None:
            print(json.dumps(deliver_report(client, plan, store.paths.report(name))), flush=True)
    for plain in wanted["workspaces"]:
        try:
            print(json.dumps({"workspace": plain["name"], "delivered": True, "url": make(plain, store.paths)}), flush=True)
        except UnreachableError as error:
            print(json.dumps({"workspace": plain["name"], "delivered": False, "error": str(error)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
