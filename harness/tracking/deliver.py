"""The process behind `harness sync`: uploads what the mirror could not deliver.

It sends what W&B lacks from the runs' own files, never from wandb's: so it does not matter which of those a crash or an outage
left, and nothing is sent twice. Each result is one JSON line on standard output.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import StoreError
from harness.store import atomic, lease
from harness.store.paths import RunPaths
from harness.store.records import Store
from harness.tracking import delivery
from harness.tracking.client import Client, Limits, UnreachableError
from harness.tracking.mirror import Runs, kill_after
from harness.tracking.report_run import ReportRuns
from harness.tracking.session import Session
from harness.tracking.uploader import Uploader
from harness.tracking.workspace import make

EXTRA_S = 10.0  # after which this process kills itself if the command no longer does
GIVE_UP_AFTER = 2  # consecutive runs that W&B did not open: the cause is not the run


@dataclass(frozen=True)
class RunDelivery:
    """What remains to be delivered of a run. State `training`: left to its mirror or to a later sync.

    `lacking`: requested uploads that a completed run does not have.
    """

    run_id: str
    rows: int
    state: Literal["delivered", "waiting", "training"]
    url: str | None
    uploads: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


def list_deliveries(store: Store, run_ids: Iterable[str], uploads: Collection[str] = ()) -> list[RunDelivery]:
    """What remains to be delivered of each started run. Reads files only.

    A run with damaged files is `waiting` with all requested uploads: the error is reported when delivery is tried.
    """
    deliveries = []
    for run_id in run_ids:
        try:
            found = _run_delivery(store, run_id, uploads)
        except StoreError:
            existing = [kind for kind, file in _files(store.paths.run(run_id)).items() if kind in uploads and atomic.exists(file)]
            found = RunDelivery(run_id, 0, "waiting", None, tuple(existing))
        if found is not None:
            deliveries.append(found)
    return deliveries


def _run_delivery(store: Store, run_id: str, uploads: Collection[str]) -> RunDelivery | None:
    """None: the run has not started. Raises StoreError."""
    record = store.record(run_id)
    if record.state == "pending":
        return None
    paths, known = store.paths.run(run_id), delivery.load(store.paths, run_id)
    sent = known.uploaded if known else {}
    requested = {kind: file for kind, file in _files(paths).items() if kind in uploads and record.finished}
    missing = tuple(kind for kind, file in requested.items() if atomic.exists(file) and sent.get(kind) != atomic.digest(file))
    lacking = tuple(kind for kind, file in requested.items() if not atomic.exists(file) and kind not in sent)
    state: Literal["delivered", "waiting", "training"] = "waiting"
    if record.state == "running":
        state = "training"
    elif delivery.is_delivered(known, paths) and not missing:
        state = "delivered"
    url = known.url if known else None
    return RunDelivery(run_id, record.epoch, state, url, missing, lacking if record.state == "completed" else ())


def mirrored_runs(store: Store) -> list[str]:
    """All runs that were to be mirrored, sorted, including those that a killed mirror missed."""
    found = {path.stem for path in atomic.matches(store.paths.wandb, "runs/*.json")}
    for file in atomic.matches(store.paths.tracking_sessions, "*.json"):
        # Its mirror may just be finishing, or its plan be unreadable, which is reported elsewhere.
        with suppress(StoreError, FileNotFoundError):
            session = atomic.read_json(file, Session)
            runs = (run_id for run_id in Runs(store, session).ids() if run_id not in found)
            found |= {run_id for run_id in runs if session.worker(lease.newest(store.paths.run(run_id).folder))}
    return sorted(run_id for run_id in found if atomic.is_folder(store.paths.run(run_id).folder))


def deliver(store: Store, client: Client, requested: Iterable[tuple[str, Sequence[str]]]) -> Iterator[dict[str, Any]]:
    """Deliver runs, each with the uploads to attach; yields the result of each one tried.

    Continues after a run that fails because of its files or W&B's response; stops if W&B opens no runs.
    """
    messages: list[str] = []
    uploader = Uploader(store, client, messages.append, offline_fallback=False)
    for run_id, uploads in requested:
        messages.clear()
        if not uploader.reserve(run_id):
            yield {"run": run_id, "delivered": False, "error": "another process is delivering it"}
            continue
        files = _files(store.paths.run(run_id))
        opened = uploader.begin(run_id)
        attached = [uploader.attach(run_id, kind, files[kind]) for kind in uploads if opened]
        arrived = uploader.finish(run_id) and all(attached)
        uploader.send()  # links of runs whose lease was held
        if arrived:
            known = delivery.load(store.paths, run_id)
            yield {"run": run_id, "delivered": True, "url": known.url if known else None, "notes": list(dict.fromkeys(messages))}
        else:
            error = "; ".join(dict.fromkeys(messages)) or "W&B has fewer rows than were sent"
            yield {"run": run_id, "delivered": False, "error": error}
        if uploader.unopened >= GIVE_UP_AFTER:
            return


def _files(paths: RunPaths) -> Mapping[str, Path]:
    return {"weights": paths.checkpoint, "predictions": paths.predictions}


def main(argv: Sequence[str]) -> int:
    """`<results> <seconds>`, and on standard input what to deliver, as JSON.

    {"runs": [[id, [upload, …]], …], "reports": [{name, differences}, …], "alerts": [plan, …], "workspaces": […]}
    """
    root, seconds = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kill_after(float(seconds) + EXTRA_S)
    store, wanted = Store.open(Path(root), create=False), json.load(sys.stdin)
    client = Client(store.paths, Limits(finish_s=float(seconds)))
    tried = 0
    for result in deliver(store, client, wanted["runs"]):
        tried += 1
        print(json.dumps(result), flush=True)
    if tried < len(wanted["runs"]):
        return 0  # W&B opens no runs; the caller counts those not tried
    reports = ReportRuns(store.paths, client)
    for each in wanted["reports"]:
        plan = store.load_plan(each["name"])
        if plan is not None:
            print(json.dumps(reports.deliver(plan, each["differences"])), flush=True)
    for name in wanted["alerts"]:
        plan = store.load_plan(name)
        if plan is not None:
            error = reports.announce(plan)
            print(json.dumps({"alert": name, "delivered": not error, "url": None, "error": error}), flush=True)
    for plain in wanted["workspaces"]:
        try:
            print(json.dumps({"workspace": plain["name"], "delivered": True, "url": make(plain, store.paths)}), flush=True)
        except UnreachableError as error:
            print(json.dumps({"workspace": plain["name"], "delivered": False, "error": str(error)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
