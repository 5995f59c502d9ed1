"""What one process knows of the runs of a plan: read once, then kept current by notices. A look costs what changed, not the plan.

A run that a notice reports as completed counts as such, without its numbers, until `settle` reads them; nothing is decided by
a notice alone (see `harness.store.notices`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import get_args

from harness.execution.standing import Standing
from harness.experiment.plan import Plan
from harness.store.lease import BEATS_WITHOUT_NOTICE, Liveness, Watch
from harness.store.notices import Notices, Word
from harness.store.records import FinalState, Record, Result, Store, finished_record

ENDED: tuple[FinalState, ...] = get_args(FinalState)


class PlanView:
    """The records of a plan's runs, as last known. `watch` judges holders; `notices` are read from now on."""

    def __init__(
        self, store: Store, plan: Plan, watch: Watch, notices: Notices, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._plan, self._watch, self._notices, self._clock = store, plan, watch, notices, clock
        self._records: Standing | None = None
        self._unread: set[str] = set()  # finished according to a notice
        self._unobserved: set[str] = set()  # taken on this machine according to a notice: /proc shows whether the holder is alive
        self._announced: dict[str, float] = {}  # when the last notice came that the run, or step, is being trained
        self._turn = 0  # which of the runs without recent notices was observed last

    @property
    def records(self) -> Standing:
        """By run id; read when first used. Those of completed runs may lack their numbers: see `settle`."""
        if self._records is None:
            self._records = Standing(self._plan, self._store.records((run.id for run in self._plan.runs), self._watch))
        return self._records

    def refresh(self) -> Standing:
        """`records` after reading the notices. Raises StoreError."""
        records = self.records
        latest = {notice.run_id: notice for notice in self._notices.read()}
        for run_id, notice in latest.items():
            self._apply(run_id, notice.word, here=notice.machine == self._notices.here)
        return records

    def settle(self) -> Standing:
        """`records` after reading the results of the runs that notices report as finished. Raises StoreError."""
        for run_id in [*self._unread]:
            self.read(run_id)
        return self.records

    def read(self, run_id: str) -> Record:
        """The record of a run as it is on disk. Raises StoreError."""
        found = self._store.record(run_id, self._watch)
        self._keep(run_id, found)
        return found

    def ended(self, run_id: str, result: Result) -> None:
        """This process has trained the run, or the step, to its end."""
        self._keep(run_id, finished_record(run_id, result))

    def is_held(self, run_id: str) -> None:
        """Another process holds the lease of the run."""
        if run_id in self.records:
            self._keep(run_id, Record(run_id, "running"))

    def is_announced(self, run_id: str) -> bool:
        """Whether there is a recent notice that a worker trains the run or step."""
        return self._clock() - self._announced.get(run_id, -math.inf) < BEATS_WITHOUT_NOTICE * self._watch.timing.beat_s

    def running(self, run_ids: Iterable[str]) -> Sequence[str]:
        """Those of the runs that are running, for a process that waits for them.

        For its next look, observes the leases of new holders on this machine and, in turns, one of those without recent notices.
        """
        running = [run_id for run_id in run_ids if self.records[run_id].state == "running"]
        for run_id in [run_id for run_id in running if run_id in self._unobserved]:
            self.read(run_id)
        if unannounced := [run_id for run_id in running if not self.is_announced(run_id)]:
            self._turn += 1
            self._observe(unannounced[self._turn % len(unannounced)])
        return running

    def _observe(self, run_id: str) -> None:
        found = self._watch.glance(self._store.paths.run(run_id).folder)
        if found is None or found is Liveness.GONE:
            self.read(run_id)
        else:
            self._keep(run_id, replace(self.records[run_id], known_alive=found is Liveness.ALIVE))

    def is_alive(self, run_id: str) -> bool:
        """Whether a worker is known to train the run: by a recent notice, or because the heartbeat of its lease has changed."""
        return self.is_announced(run_id) or self.records[run_id].known_alive

    def something_changed_here(self) -> bool:
        """Whether a worker of this machine has posted a notice or died. Costs the shared file system nothing."""
        return self._notices.has_new_here() or self._watch.somebody_died_here()

    def _apply(self, run_id: str, word: Word, *, here: bool) -> None:
        trained = word in ("taken", "alive")
        if trained:
            self._announced[run_id] = self._clock()
        else:
            self._announced.pop(run_id, None)
        known = self.records.get(run_id)
        if known is None or word == known.state:
            return
        if known.finished and run_id not in self._unread:
            self.read(run_id)  # a late notice, or it was reset to be trained again
        elif trained and known.state == "running":
            return
        elif word == "failed":
            self.read(run_id)  # where it failed decides what trains next
        elif word in ENDED:
            self._keep(run_id, Record(run_id, word))
            self._unread.add(run_id)
        else:
            self._keep(run_id, Record(run_id, "running" if trained else "interrupted"))
            if trained and here:
                self._unobserved.add(run_id)

    def _keep(self, run_id: str, record: Record) -> None:
        self._unread.discard(run_id)
        self._unobserved.discard(run_id)
        if run_id in self.records:
            self.records[run_id] = record
