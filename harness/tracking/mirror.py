"""The mirror process: shows the runs of one command in W&B while they train. See the package for why it is a process.

It polls the files of the plan's or the search's runs. A run is open in W&B while a worker of the command holds the run's lease.
When the command closes the mirror, or has died and its last worker has stopped, the mirror has `closing_s` to deliver the rest;
then it kills itself and the processes that it started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Container, Iterator, Sequence
from itertools import chain
from pathlib import Path

from harness.errors import StoreError
from harness.experiment.steps import known_steps
from harness.store import atomic, lease
from harness.store.holder import Holder
from harness.store.notices import Notices
from harness.store.provenance import now
from harness.store.records import Store
from harness.store.trial_runs import trial_runs, trial_steps
from harness.tracking import delivery
from harness.tracking.client import Client, Hardware, Limits
from harness.tracking.page import without_secrets
from harness.tracking.report_run import ReportRuns
from harness.tracking.session import Session
from harness.tracking.uploader import Uploader, read_provenance

NICE = 10  # training goes first
RUNS_PER_POLL = 5  # runs checked by each poll besides those that a notice names, which may be lost


class Runs:
    """The runs of a session's plan or search; `changed` finds those whose folder changed, cheaply: workers post notices."""

    def __init__(self, store: Store, session: Session) -> None:
        self._store = store
        target = store.paths.root / session.target
        self._search = store.paths.study(target.parent.name) if target.name == "search.json" else None
        self._known_trials: set[int] = set()
        self.plan = plan = None if self._search else store.load_plan(target.stem)
        self._ids = list(dict.fromkeys([*known_steps(plan, of_programs=True), *(run.id for run in plan.runs)])) if plan else []
        self._notices = Notices(store.paths, plan.name if plan else target.parent.name, Holder.here().machine)
        self._next = -1
        self._seen: dict[str, tuple[int, int]] = {}  # modification time of the folder, and number of polls since

    def ids(self) -> Sequence[str]:
        """All run ids, those of steps included."""
        if self._search is not None:
            numbers = {int(name) for name in atomic.names(self._search.trials) if name.isdecimal()}
            for number in sorted(numbers - self._known_trials):
                if runs := trial_runs(self._search, number):
                    self._known_trials.add(number)
                    steps = trial_steps(self._search, number)
                    self._ids += [run_id for run_id in (*steps, *runs) if run_id not in self._ids]
        return self._ids

    def changed(self, most: int | None = None, besides: Container[str] = ()) -> Iterator[str]:
        """The runs of which a worker of this machine has posted something; of the next `most` runs (None: all), `besides` those
        that the caller checks itself, those whose folder changed.
        """
        notices = self._notices.read() if self._notices.has_new_here() else ()
        posted = dict.fromkeys(each.run_id for each in notices if each.machine == self._notices.here)
        if posted or most is None:
            known = set(self.ids())
            yield from (run_id for run_id in posted if run_id in known)
        begun = set(atomic.names(self._store.paths.runs)) if most is None else None
        ids = self._ids
        for _ in range(len(ids) if most is None else min(most, len(ids))):
            self._next = (self._next + 1) % len(ids)
            run_id = ids[self._next]
            if run_id not in besides and (begun is None or run_id in begun) and self.has_changed(run_id):
                yield run_id

    def has_changed(self, run_id: str) -> bool:
        """Each lease, row and result changes the folder's time; as clocks are coarse, a change is reported twice."""
        try:
            changed = self._store.paths.run(run_id).folder.stat().st_mtime_ns
        except OSError:  # not started, or the file system is unavailable for a while
            return False
        before, polls = self._seen.get(run_id, (0, 0))
        polls = polls + 1 if changed == before else 1
        self._seen[run_id] = changed, polls
        return polls <= 2


class Mirror:
    """Mirrors the runs of a session from their files."""

    def __init__(self, store: Store, session: Session, uploader: Uploader, here: Holder | None = None) -> None:
        self.store, self.session, self.uploader = store, session, uploader
        self.runs = Runs(store, session)
        self._here = here or Holder.here()
        self._watched: set[str] = set()  # checked by every poll: runs in training, and those that another process delivers
        self._workers: dict[str, Holder] = {}  # of open runs in training
        self._shown: dict[str, int] = {}  # open run -> number of its lease
        self._done: dict[str, int] = {}  # run -> number of its last lease that was processed

    @property
    def training(self) -> bool:
        """Whether an open run is still in training."""
        return bool(self._shown)

    def poll(self, most: int | None = RUNS_PER_POLL) -> None:
        """Open, update and finish runs according to their files."""
        watched = [run_id for run_id in self._watched if self._is_due(run_id)]
        for run_id in dict.fromkeys(chain(watched, self.runs.changed(most, {*self._watched}))):
            try:
                self._update_run(run_id)
            except StoreError as error:
                self.uploader.say(str(error))
                self._watched.add(run_id)
        self.uploader.send()

    def _is_due(self, run_id: str) -> bool:
        """Whether to read a watched run: its rows are read by the uploader, its lease only says when it ends."""
        worker = self._workers.get(run_id)
        return worker is None or self.runs.has_changed(run_id) or worker.is_dead_here(self._here)

    def finish(self) -> bool:
        """Deliver the rest, and an alert about the plan's verdicts.

        Returns whether every run found has a delivery file for `harness sync`.
        """
        self.poll(most=None)
        self.uploader.finish_all()
        if self.runs.plan is not None:
            reports = ReportRuns(self.store.paths, self.uploader.client)
            if reason := reports.announce(self.runs.plan, self.uploader.goes_online()):
                self.uploader.say(f"{self.runs.plan.name}: no alert about the verdicts: {reason}")
        return all(atomic.exists(self.store.paths.delivery(run_id)) for run_id in {*self._watched, *self._shown, *self._done})

    def _update_run(self, run_id: str) -> None:
        seen = lease.newest(self.store.paths.run(run_id).folder)
        worker = self.session.worker(seen)
        number, held = 0, False
        if seen is not None and worker is not None and worker.pid != self._here.pid:  # this process holds leases to write URLs
            number, held = seen.number, not (seen.released or worker.is_dead_here(self._here))
        if run_id in self._shown and not (held and number == self._shown[run_id]):
            self._done[run_id] = self._shown.pop(run_id)
            self.uploader.finish(run_id)
        self._watched.discard(run_id)
        self._workers.pop(run_id, None)
        if worker is None or number <= self._done.get(run_id, 0):
            return
        if held:
            self._watched.add(run_id)
            if run_id in self._shown:
                self._workers[run_id] = worker
        if run_id in self._shown or not self._has_news(run_id, number, held):
            return
        if not self.uploader.reserve(run_id):
            self._watched.add(run_id)  # another process still delivers earlier rows
            return
        self._shown[run_id] = number
        self.uploader.begin(run_id, self._hardware(run_id, worker) if held else None)
        if held:
            self._workers[run_id] = worker
        else:
            self.uploader.finish(run_id)
            self._done[run_id] = self._shown.pop(run_id)

    def _has_news(self, run_id: str, number: int, held: bool) -> bool:
        """Whether training has started, or has ended with something not delivered.

        A lease may also have been taken to set a result aside, or on a finished run.
        """
        paths = self.store.paths.run(run_id)
        if held:
            return atomic.exists(paths.provenance) and not atomic.exists(paths.result)
        if atomic.exists(paths.result):
            return not delivery.is_delivered(delivery.load(self.store.paths, run_id), paths)
        return atomic.exists(paths.metrics) and not atomic.exists(paths.earlier_result(number))

    def _hardware(self, run_id: str, worker: Holder) -> Hardware | None:
        """The GPUs of the worker that trains the run; None: CPU."""
        origin = read_provenance(self.store.paths.run(run_id).provenance)
        if origin is None or origin.accelerator != "cuda":
            return None
        return Hardware(worker.pid, _gpus(worker.pid))


def _gpus(pid: int) -> tuple[int, ...]:
    """CUDA_VISIBLE_DEVICES of a process; empty: all."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ()
    value = next((each for each in variables if each.startswith(b"CUDA_VISIBLE_DEVICES=")), b"").partition(b"=")[2]
    return tuple(int(part) for part in value.split(b",") if part.strip().isdigit())


def follow(mirror: Mirror, limits: Limits, starter: int) -> bool:
    """Poll until the starter closes the mirror or, if it has died, its last worker has stopped; then `Mirror.finish`."""
    mirror.poll(most=None)  # what had begun before there was anyone to read notices
    while True:
        closed = _close_requested(limits.poll_s)
        mirror.poll()
        # A closed pipe is not a reliable sign: processes started by a task may hold it open and outlive all others.
        alive = os.getppid() == starter
        if (closed and alive) or not (alive or mirror.training):
            break
    kill_after(limits.closing_s)
    return mirror.finish()


def _close_requested(within_s: float) -> bool:
    """Whether the starter asked to close, or closed our standard input."""
    ready, _, _ = select.select([sys.stdin], [], [], within_s)
    if ready and os.read(sys.stdin.fileno(), 1):
        return True
    if ready:
        time.sleep(within_s)  # so that a starter that was just killed is gone
    return bool(ready)


def kill_after(seconds: float) -> None:
    """Kill this process's session after `seconds`."""

    def kill() -> None:
        time.sleep(seconds)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def main(argv: Sequence[str]) -> int:
    """`<results> <file in wandb/sessions> online|offline <limits as JSON>`."""
    root, name, kind, limits_json = argv
    os.nice(NICE)
    # A signal for the workers may reach the whole process group; the mirror stops after them.
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
