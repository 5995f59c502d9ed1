"""What one process knows of all runs of a results folder: read once, then kept current at the cost of what changed.

Notices of workers say which runs to look at; one time of a folder shows whether runs came or went; runs that have not completed
are read in turns, for notices may be lost. So a look at 10,000 runs reads some ten files. The first looks read the runs that are
there, each for as long as it may.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from harness.errors import StoreError
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.notices import Notices
from harness.store.paths import NAME, RUN_ID
from harness.store.records import Record, Store

LOOK_S = 1.0  # longest time of a look that reads runs for the first time
RUNNING_A_LOOK, OTHERS_A_LOOK = 16, 4  # runs that are read in turns
LISTED_S = 10.0  # runs are listed again after this time, even if the time of their folder stands still


class RunIndex:
    """The runs in `store`: `records` of those that have begun, `problems` of those that cannot be read."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        here = Holder.here()
        self._machine, self._watch = here.machine, Watch(Timing(), here)
        self._notices: dict[str, Notices] = {}  # by plan or search
        self._listed: tuple[int, float] | None = None  # the time of the folder at the last listing, and when that was
        self._present: set[str] = set()  # at the last listing
        self._turn = 0
        self.records: dict[str, Record] = {}
        self.problems: dict[str, str] = {}
        self.unread: dict[str, None] = {}  # present, and not read yet, in order
        self.calls = 0  # runs read since the beginning

    def look(self, urgent: Iterable[str] = ()) -> frozenset[str]:
        """The runs whose record has changed since the last look; `urgent` ones are read first. Raises StoreError."""
        before = self._clock()
        gone = self._list()
        noticed = self._noticed()
        changed = {run_id for run_id in noticed if self._read(run_id)} | gone
        changed |= {run_id for run_id in self._in_turns() if run_id not in noticed and self._read(run_id)}
        for run_id in [*(one for one in urgent if one in self.unread), *self.unread]:
            if self._clock() - before > LOOK_S:
                break
            changed |= {run_id} if run_id in self.unread and self._read(run_id) else set()
        return frozenset(changed)

    def of(self, run_ids: Iterable[str]) -> dict[str, Record]:
        """The records of the runs, in this order; those that have not begun are pending."""
        return {run_id: self.records.get(run_id) or Record(run_id, "pending") for run_id in run_ids}

    def running(self) -> Iterator[Record]:
        """The records of the runs that train now."""
        return (record for record in self.records.values() if record.state == "running")

    def _list(self) -> set[str]:
        """List the runs if some came or went; returns those that went."""
        folder, now = atomic.status(self._store.paths.runs), self._clock()
        stamp = folder.st_mtime_ns if folder is not None else 0
        if self._listed is not None and self._listed[0] == stamp and now - self._listed[1] < LISTED_S:
            return set()
        present = {name for name in atomic.names(self._store.paths.runs) if RUN_ID.fullmatch(name)}
        gone, came = self._present - present, present - self._present
        self._listed, self._present = (stamp, now), present
        for run_id in gone:
            self.records.pop(run_id, None)
            self.problems.pop(run_id, None)
            self.unread.pop(run_id, None)
        self.unread |= dict.fromkeys(sorted(came))
        return gone

    def _noticed(self) -> set[str]:
        """The runs that notices name, of whatever plan; those of searches name trials too."""
        folder = self._store.paths.notices("any").parent
        names = {name.removesuffix(".log") for name in atomic.names(folder) if name.endswith(".log")}
        for name in sorted(name for name in names - self._notices.keys() if NAME.fullmatch(name)):
            self._notices[name] = Notices(self._store.paths, name, self._machine)
        for name in self._notices.keys() - names:
            del self._notices[name]
        found = {notice.run_id for each in self._notices.values() for notice in each.read() if notice.word != "alive"}
        return (found & self._present) - self.unread.keys()

    def _in_turns(self) -> list[str]:
        """Some of the runs that may change without a notice."""
        self._turn += 1
        states: Mapping[bool, list[str]] = {True: [], False: [*self.problems]}
        for record in self.records.values():
            if record.state != "completed":
                states[record.state == "running"].append(record.id)
        return [*_some(states[True], RUNNING_A_LOOK, self._turn), *_some(states[False], OTHERS_A_LOOK, self._turn)]

    def _read(self, run_id: str) -> bool:
        """Read a run; returns whether its record has changed."""
        self.calls += 1
        self.unread.pop(run_id, None)
        before = self.records.get(run_id)
        try:
            found = self._store.record(run_id, self._watch)
        except StoreError as error:
            if atomic.is_transient(error):
                raise
            self.records.pop(run_id, None)
            changed = self.problems.get(run_id) != str(error)
            self.problems[run_id] = str(error)
            return changed
        self.problems.pop(run_id, None)
        self.records[run_id] = found
        return before is None or _facts(before) != _facts(found)


def _facts(record: Record) -> tuple[object, ...]:
    """What is shown of a record: not the age of a heartbeat, which changes at each look."""
    return (record.state, record.epoch, record.ended_at, record.host, record.pid, record.job)


def _some(runs: list[str], count: int, turn: int) -> list[str]:
    """So many of the runs, others at each turn, all in the end."""
    if len(runs) <= count:
        return runs
    start = turn * count % len(runs)
    return (runs[start:] + runs[:start])[:count]
