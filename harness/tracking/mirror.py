"""Lines of a pipe, and the runs' own files -> runs in W&B: the mirror process. See the package for why it is one.

It reads `{"run": id, …}` and `{"end": id}` until `{"close": true}` comes or nobody is left to write, follows metrics.jsonl of the
runs between the two, and then has CLOSING_S to finish; after that it ends itself, with what it started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, StoreError
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.lease import Holder, Timing, Watch
from harness.store.provenance import Provenance, now
from harness.store.records import Store, read_rows
from harness.store.trialruns import memberships
from harness.tracking import delivery
from harness.tracking.client import Client, Hardware, OpenRun, UnreachableError
from harness.tracking.delivery import Delivery
from harness.tracking.feed import lines
from harness.tracking.page import ending, page, without_secrets

POLL_S = 1.0
CLOSING_S = 15.0
CONFIRM_AFTER_S = (0.0, 1.0, 2.0)  # W&B counts rows a little after it took them
OFFLINE_FOR_S = 600.0  # after trouble with the server, runs that begin are written to disk
NICE = 10  # training goes first


@dataclass
class Followed:
    """One run that the mirror has open: what was handed over, and how its file looked then."""

    run_id: str
    open_run: OpenRun
    hardware: Hardware | None
    sent: list[str]  # a digest of each row; empty: W&B has it from before, and nothing here says which it is
    stamp: tuple[int, int] | None = None  # of metrics.jsonl when it was last read
    known: Delivery = field(default_factory=Delivery)


class Mirror:
    """Runs as W&B shows them. `falls_back`: what cannot be shown online is written to disk, for W&B's own tools."""

    def __init__(
        self, store: Store, client: Client, say: Callable[[str], None], *, online: bool = True, falls_back: bool = True
    ) -> None:
        self.store, self.client, self.say = store, client, say
        self.online, self.falls_back = online, falls_back
        self.offline_until = -1.0
        self.unopened = 0  # runs in a row that W&B did not open
        self.watch = Watch(Timing(), Holder.here())
        self._followed: dict[str, Followed] = {}
        self._to_link: dict[str, str] = {}

    def begin(self, run_id: str, hardware: Hardware | None = None) -> None:
        """Follow a run; one that is followed already goes on."""
        if run_id not in self._followed:
            online = self.online and time.monotonic() >= self.offline_until
            self._open(run_id, online, hardware)

    def tick(self) -> None:
        """Hand over the rows that are new."""
        for run_id in list(self._followed):
            if run_id in self._followed:  # trouble with one closes the others
                self._catch_up(self._followed[run_id])
        for run_id, url in list(self._to_link.items()):
            self._link(run_id, url)

    def end(self, run_id: str) -> bool:
        """Finish a run, however it ended; whether all of it is known to have arrived. Files that are no longer read are left."""
        if run_id not in self._followed:
            return False
        self._catch_up(self._followed[run_id])
        followed = self._followed.pop(run_id, None)
        if followed is None:  # trained anew, and its new page could not be opened
            return False
        try:
            result = self.store.result(run_id)
            followed.open_run.finish(ending(result))
            return followed.open_run.online and self._confirm(followed)
        except UnreachableError as error:
            self.say(f"{run_id}: {error}; harness sync delivers the rest")
            self.offline_until = time.monotonic() + OFFLINE_FOR_S
        except StoreError as error:
            self.say(str(error))
        return False

    def end_all(self) -> None:
        """Finish what is open."""
        for run_id in list(self._followed):
            self.end(run_id)
        self.tick()

    def is_open(self, run_id: str) -> bool:
        """Whether wandb has the run open."""
        return run_id in self._followed

    def upload(self, run_id: str, kind: str, file: Path) -> None:
        """Attach a file to a run that is open, and remember that it arrived. Raises UnreachableError, StoreError."""
        followed, digest = self._followed[run_id], atomic.digest(file)
        followed.open_run.upload(f"{kind}-{run_id}", kind, [file])
        followed.known = _changed(followed.known, uploaded={**followed.known.uploaded, kind: digest})
        delivery.save(self.store.paths, run_id, followed.known)

    def _open(self, run_id: str, online: bool, hardware: Hardware | None, *, last: bool = False) -> None:
        known = delivery.load(self.store.paths, run_id) or Delivery()
        paths = self.store.paths.run(run_id)
        try:
            spec = atomic.read_json(paths.spec, Spec)
            plans, _ = self.store.load_plans()
            trials = memberships(self.store.paths).get(run_id, ())
            shown = page(run_id, spec, plans, _provenance(paths.provenance), paths.folder, trials)
            if delivery.outdated(known.rows, delivery.row_digests(read_rows(paths.metrics))):
                known = Delivery(attempt=known.attempt + 1)
            delivery.save(self.store.paths, run_id, known)
        except (HarnessError, FileNotFoundError) as error:
            self.say(f"{run_id}: not mirrored: {error}")
            return
        try:
            opened = self.client.open(replace(shown, id=delivery.wandb_id(run_id, known)), online, hardware)
        except UnreachableError as error:
            self.unopened += 1
            falls_back = self.falls_back and not last  # also from offline: wandb's service may have died
            self.say(f"{run_id}: {error}" + ("; going on offline, harness sync delivers it" if falls_back else ""))
            if falls_back:
                self._go_offline()
                self._open(run_id, False, hardware, last=True)
            return
        self.unopened = 0
        sent: list[str] = []
        if online:
            # W&B says how many rows it has; which they are is remembered here.
            unknown = [""] * max(0, opened.rows_there - len(known.rows))
            sent = [*known.rows[: opened.rows_there], *unknown]
            known = _changed(known, url=opened.url, rows=tuple(sent), confirmed=opened.rows_there, ending=None)
        followed = Followed(run_id, opened, hardware, sent, known=known)
        self._followed[run_id] = followed
        self._catch_up(followed)

    def _go_offline(self) -> None:
        """Nothing more goes to the server for a while; runs that are open are written to disk, from their first row."""
        self.offline_until = time.monotonic() + OFFLINE_FOR_S
        others = list(self._followed.values())
        self._followed.clear()
        try:
            self.client.reset()
        except UnreachableError as error:
            self.say(f"W&B's service: {error}")
        for followed in others:
            self._open(followed.run_id, False, followed.hardware, last=True)

    def _catch_up(self, followed: Followed) -> None:
        paths = self.store.paths.run(followed.run_id)
        try:
            stamp = _stamp(paths.metrics)
            rows = [] if stamp == followed.stamp else read_rows(paths.metrics)
        except StoreError as error:
            self.say(str(error))
            return
        if stamp == followed.stamp and stamp is not None:
            return
        digests = delivery.row_digests(rows)
        if delivery.outdated(followed.sent, digests):
            self._start_over(followed)
            return
        followed.stamp = stamp
        try:
            for row, digest in list(zip(rows, digests, strict=True))[len(followed.sent) :]:
                followed.open_run.log(row)
                followed.sent.append(digest)
            if followed.open_run.online and followed.known.rows != tuple(followed.sent):
                followed.known = _changed(followed.known, rows=tuple(followed.sent))
            if followed.open_run.online:
                delivery.save(self.store.paths, followed.run_id, followed.known)
        except (UnreachableError, StoreError) as error:
            self.say(f"{followed.run_id}: {error}")

    def _start_over(self, followed: Followed) -> None:
        """The run was trained anew, with other values: it gets another page."""
        del self._followed[followed.run_id]
        try:
            followed.open_run.finish(ending(None))
        except UnreachableError as error:
            self.say(f"{followed.run_id}: {error}")
        self._open(followed.run_id, followed.open_run.online, followed.hardware)

    def _confirm(self, followed: Followed) -> bool:
        """Ask W&B what it has: a run whose key was refused in between finishes without a word."""
        run_id, paths = followed.run_id, self.store.paths.run(followed.run_id)
        there = 0
        for pause_s in CONFIRM_AFTER_S:
            time.sleep(pause_s)
            there = self.client.rows_at(followed.open_run.path)
            if there >= len(followed.sent):
                break
        sums = atomic.digest(paths.result) if paths.result.exists() else None
        complete = there >= len(followed.sent)
        changes: dict[str, Any] = {"confirmed": there, "ending": sums if complete else None}
        known = delivery.load(self.store.paths, run_id) or followed.known
        delivery.save(self.store.paths, run_id, _changed(known, **changes))
        if complete and sums is not None:
            self.client.mark_delivered(run_id)
            if followed.open_run.url is not None:
                self._link(run_id, followed.open_run.url)
        return complete

    def _link(self, run_id: str, url: str) -> None:
        self._to_link[run_id] = url
        try:
            # Only what has ended: until then the provenance belongs to the worker, and so does the lease.
            if self.store.result(run_id) is None or delivery.link(self.store, run_id, url, self.watch):
                del self._to_link[run_id]
        except StoreError as error:
            self.say(str(error))
            del self._to_link[run_id]


def _changed(known: Delivery, **changes: Any) -> Delivery:
    return Delivery.model_validate({**dict(known), **changes})


def _provenance(path: Path) -> Provenance | None:
    try:
        return atomic.read_json(path, Provenance)
    except FileNotFoundError:
        return None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes with the file, which is always replaced whole."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def follow(mirror: Mirror, words: Iterable[list[str]], accelerators: Callable[[str], bool], starter: int) -> None:
    """Do what the lines say until they end, then finish everything. `starter`: the process that this one serves."""
    workers: set[int] = set()
    for several in words:
        closing = False
        for word in map(json.loads, several):
            if "run" in word:
                workers.add(word["pid"])
                gpus = tuple(int(part) for part in word["gpus"].split(",") if part.strip().isdigit())
                mirror.begin(word["run"], Hardware(word["pid"], gpus) if accelerators(word["run"]) else None)
            elif "end" in word:
                mirror.end(word["end"])
            else:
                closing = True
        mirror.tick()
        # The end of the pipe does not do: processes that a task has started may hold it open, and outlive everybody.
        if closing or (os.getppid() != starter and not any(map(_is_alive, workers))):
            break
    end_after(CLOSING_S)
    mirror.end_all()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_after(seconds: float) -> None:
    """End this session in so long, whatever it does then."""

    def end() -> None:
        time.sleep(seconds)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()


def _trains_on_cuda(store: Store) -> Callable[[str], bool]:
    def ask(run_id: str) -> bool:
        try:
            found = _provenance(store.paths.run(run_id).provenance)
        except StoreError:  # said when the run is opened
            return False
        return found is not None and found.accelerator == "cuda"

    return ask


def main(argv: Sequence[str]) -> int:
    """`<results> online|offline <process id of the starter>`."""
    root, kind, starter = argv
    os.nice(NICE)
    # Whoever asks the workers to stop may signal everything; the mirror ends when they have, by the end of its pipe.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    store = Store.open(Path(root), create=False)
    mirror = Mirror(store, Client(store.paths), _say, online=kind == "online")
    follow(mirror, lines(sys.stdin.fileno(), POLL_S), _trains_on_cuda(store), int(starter))
    return 0


def _say(text: str) -> None:
    print(f"{now()} {without_secrets(text)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
