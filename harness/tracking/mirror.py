"""The mirror process: shows the runs of one command in W&B while they train. See the package for why it is a process.

It looks at the files of the plan's or the search's runs. It shows a run from when a worker of its command holds the run's lease
until the worker lets go of it. When the command closes, or has died and its last worker with it, the mirror has `closing_s` to
deliver what is there; after that it kills itself, with what it started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from harness.errors import StoreError
from harness.store import atomic, lease
from harness.store.lease import Holder
from harness.store.provenance import now
from harness.store.records import Store
from harness.store.trial_runs import trial_runs
from harness.tracking import delivery
from harness.tracking.client import Client, Hardware, Limits
from harness.tracking.page import without_secrets
from harness.tracking.session import Session
from harness.tracking.uploader import Uploader, read_provenance

NICE = 10  # training goes first
LOOKS = 1000  # at runs, each time: about 5 ms


class Runs:
    """The runs of a session's plan or search, of which `changed` finds those whose folder changed, at a small cost."""

    def __init__(self, store: Store, session: Session) -> None:
        self._store = store
        target = store.paths.root / session.target
        self._search = store.paths.study(target.parent.name) if target.name == "search.json" else None
        self._known_trials: set[int] = set()
        plan = None if self._search else store.load_plan(target.stem)
        self._ids = list(dict.fromkeys(run.id for run in plan.runs)) if plan else []
        self._next = -1
        self._seen: dict[str, tuple[int, int]] = {}  # when the folder last changed, and how often it was seen so

    def ids(self) -> Sequence[str]:
        """All of them, in the order in which they are trained."""
        if self._search is not None and self._search.trials.is_dir():
            numbers = {int(path.name) for path in self._search.trials.iterdir() if path.name.isdecimal()}
            for number in sorted(numbers - self._known_trials):
                if runs := trial_runs(self._search, number):
                    self._known_trials.add(number)
                    self._ids += [run_id for run_id in runs if run_id not in self._ids]
        return self._ids

    def changed(self, most: int | None = None) -> Iterator[str]:
        """Of all runs, or of the next `most` of them, in turn, those whose folder changed since they were last looked at."""
        ids = self.ids()
        for _ in range(len(ids) if most is None else min(most, len(ids))):
            self._next = (self._next + 1) % len(ids)
            if self._has_changed(ids[self._next]):
                yield ids[self._next]

    def _has_changed(self, run_id: str) -> bool:
        """Each lease, row and result changes the folder's time; as clocks have ticks, what is new is reported twice."""
        try:
            changed = self._store.paths.run(run_id).folder.stat().st_mtime_ns
        except OSError:  # not begun; a file system that is away comes back
            return False
        before, looks = self._seen.get(run_id, (0, 0))
        looks = looks + 1 if changed == before else 1
        self._seen[run_id] = changed, looks
        return looks <= 2


class Mirror:
    """Follows the runs of a session by their files."""

    def __init__(self, store: Store, session: Session, uploader: Uploader, here: Holder | None = None) -> None:
        self.store, self.session, self.uploader = store, session, uploader
        self.runs = Runs(store, session)
        self._here = here or Holder.here()
        self._watched: set[str] = set()  # looked at each time: runs in training, and those that another process delivers
        self._shown: dict[str, int] = {}  # open runs, by their leases' numbers
        self._done: dict[str, int] = {}  # leases that are dealt with

    @property
    def training(self) -> bool:
        """Whether a run is shown that a worker still trains."""
        return bool(self._shown)

    def look(self, most: int | None = LOOKS) -> None:
        """Open, bring up to date and finish runs, as their files say."""
        for run_id in chain(list(self._watched), self.runs.changed(most)):
            try:
                self._attend(run_id)
            except StoreError as error:
                self.uploader.say(str(error))
                self._watched.add(run_id)
        self.uploader.send()

    def finish(self) -> bool:
        """Deliver what is there; whether `harness sync` knows of every run that was found."""
        self.look(most=None)
        self.uploader.finish_all()
        return all(self.store.paths.delivery(run_id).exists() for run_id in {*self._watched, *self._shown, *self._done})

    def _attend(self, run_id: str) -> None:
        seen = lease.newest(self.store.paths.run(run_id).folder)
        worker = self.session.worker(seen)
        number, held = 0, False
        if seen is not None and worker is not None and worker.pid != self._here.pid:  # which writes pages' addresses down
            number, held = seen.number, not (seen.released or worker.is_dead_here(self._here))
        if run_id in self._shown and not (held and number == self._shown[run_id]):
            self._done[run_id] = self._shown.pop(run_id)
            self.uploader.finish(run_id)
        self._watched.discard(run_id)
        if worker is None or number <= self._done.get(run_id, 0):
            return
        if held:
            self._watched.add(run_id)
        if run_id in self._shown or not self._has_news(run_id, number, held):
            return
        if not self.uploader.reserve(run_id):
            self._watched.add(run_id)  # another process still delivers what was before
            return
        self._shown[run_id] = number
        self.uploader.begin(run_id, self._hardware(run_id, worker) if held else None)
        if not held:
            self.uploader.finish(run_id)
            self._done[run_id] = self._shown.pop(run_id)

    def _has_news(self, run_id: str, number: int, held: bool) -> bool:
        """Whether there is something to show: training has begun, or came to an end that has not arrived yet.

        A lease may also have served to set a result aside, or found the run ended.
        """
        paths = self.store.paths.run(run_id)
        if held:
            return paths.provenance.exists() and not paths.result.exists()
        if paths.result.exists():
            return not delivery.arrived(delivery.load(self.store.paths, run_id), paths)
        return paths.metrics.exists() and not paths.earlier_result(number).exists()

    def _hardware(self, run_id: str, worker: Holder) -> Hardware | None:
        """The GPUs of the worker that trains the run; None on processors."""
        origin = read_provenance(self.store.paths.run(run_id).provenance)
        if origin is None or origin.accelerator != "cuda":
            return None
        return Hardware(worker.pid, _gpus(worker.pid))


def _gpus(pid: int) -> tuple[int, ...]:
    """What CUDA_VISIBLE_DEVICES says in a process; empty: all."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ()
    value = next((each for each in variables if each.startswith(b"CUDA_VISIBLE_DEVICES=")), b"").partition(b"=")[2]
    return tuple(int(part) for part in value.split(b",") if part.strip().isdigit())


def follow(mirror: Mirror, limits: Limits, starter: int) -> bool:
    """Look at the runs until the process that this one serves closes or, if it has died, its last worker has let go; then finish.

    Whether `harness sync` knows of every run that was found.
    """
    while True:
        closed = _told_to_close(limits.poll_s)
        mirror.look()
        # A pipe's end alone does not tell: processes that a task has started may hold it open, and outlive everybody.
        alive = os.getppid() == starter
        if (closed and alive) or not (alive or mirror.training):
            break
    end_after(limits.closing_s)
    return mirror.finish()


def _told_to_close(within_s: float) -> bool:
    """Whether the starter closes, or closed our standard input."""
    ready, _, _ = select.select([sys.stdin], [], [], within_s)
    if ready and os.read(sys.stdin.fileno(), 1):
        return True
    if ready:
        time.sleep(within_s)  # a starter that has just been killed is gone by then
    return bool(ready)


def end_after(seconds: float) -> None:
    """End this session in so long, whatever it does then."""

    def end() -> None:
        time.sleep(seconds)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()


def main(argv: Sequence[str]) -> int:
    """`<results> <file in wandb/sessions> online|offline <limits as JSON>`."""
    root, name, kind, limits_json = argv
    os.nice(NICE)
    # Whoever asks the workers to stop may signal everything; the mirror ends when they have.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    store, limits = Store.open(Path(root), create=False), Limits.model_validate(json.loads(limits_json))
    written = store.paths.tracking_sessions / name
    session = atomic.read_json(written, Session)
    uploader = Uploader(store, Client(store.paths, limits), _say, online=kind == "online")
    if follow(Mirror(store, session, uploader), limits, session.starter.pid):
        atomic.remove(written)
    return 0


def _say(text: str) -> None:
    print(f"{now()} {without_secrets(text)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
