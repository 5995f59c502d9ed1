"""Running trials -> whether their workers are alive: from notices, and from leases, of which a look reads as few as it can.

A worker that waits would otherwise read the lease of every running trial at every look. A worker that trains a trial posts a
notice every half minute; one call reads those of all trials. Of the trials without recent notices, each look reads one lease.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping

from harness.store import lease as leases
from harness.store.lease import BEATS_WITHOUT_NOTICE, LeaseState, Liveness, Watch
from harness.store.notices import Notice, Notices
from harness.store.paths import Paths, StudyPaths

KEY = re.compile(r"0{4}[0-9a-f]{8}")  # in the place of a run id; the notices of a search are also about its runs


class TrialHolders:
    """What one process knows of the workers that train the trials of a study. `machine`: its own, as in `store.holder.Holder`."""

    def __init__(self, paths: StudyPaths, machine: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths, self._clock = paths, clock
        self.notices = Notices(Paths(paths.folder.parents[1]), paths.folder.name, machine)
        self._announced: dict[int, float] = {}  # trial -> when the last notice came that it is being trained
        self._local: set[int] = set()  # of those, trained on this machine
        self._seen: dict[int, tuple[LeaseState | None, Liveness]] = {}  # trial -> its lease when last read
        self._turn = 0  # which of the leases that were read before was read last

    def took(self, number: int) -> None:
        """This process trains the trial from now on."""
        self.notices.post(_key(number), "taken")

    def announce(self, number: int) -> None:
        """This process still trains the trial."""
        self.notices.post(_key(number), "alive")

    def left(self, number: int) -> None:
        """This process does not train the trial any more."""
        self.notices.post(_key(number), "left")

    def something_changed_here(self, watch: Watch) -> bool:
        """Whether a worker of this machine has posted a notice or died. Costs the shared file system nothing."""
        return self.notices.has_new_here() or watch.somebody_died_here()

    def liveness(self, running: Iterable[int], watch: Watch) -> Mapping[int, Liveness]:
        """What is known of the worker of each running trial; repeated calls make UNKNOWN certain. Raises StoreError."""
        numbers = tuple(running)
        for notice in self.notices.read():
            self._apply(notice)
        self._seen = {number: self._seen[number] for number in numbers if number in self._seen}
        unannounced = [number for number in numbers if not self._is_announced(number, watch)]
        read_before = [number for number in unannounced if number in self._seen]
        now = {number for number in (*unannounced, *self._local) if number in numbers and number not in self._seen}
        now |= {number for number in self._seen if self._died(number, watch)}
        if read_before:
            self._turn += 1
            now.add(read_before[self._turn % len(read_before)])
        for number in now:
            state = leases.newest(self._paths.trial(number))
            self._seen[number] = state, Liveness.GONE if state is None else watch.liveness(state)
        return {number: self._known(number) for number in numbers}

    def _known(self, number: int) -> Liveness:
        _, found = self._seen.get(number, (None, Liveness.ALIVE))
        return found if found is Liveness.GONE or number not in self._announced else Liveness.ALIVE

    def _apply(self, notice: Notice) -> None:
        if not KEY.fullmatch(notice.run_id):
            return
        number = int(notice.run_id, 16)
        if notice.word == "left":
            self._announced.pop(number, None)
            self._seen.pop(number, None)
        else:
            self._announced[number] = self._clock()
        change = self._local.add if notice.machine == self.notices.here and notice.word != "left" else self._local.discard
        change(number)

    def _is_announced(self, number: int, watch: Watch) -> bool:
        if self._clock() - self._announced.get(number, -math.inf) < BEATS_WITHOUT_NOTICE * watch.timing.beat_s:
            return True
        self._announced.pop(number, None)
        return False

    def _died(self, number: int, watch: Watch) -> bool:
        """Whether the worker was gone when last seen, or is a process of this machine that has died since."""
        state, found = self._seen[number]
        if state is None or state.claim is None or found is Liveness.GONE:
            return found is Liveness.GONE
        return state.claim.holder.is_dead_here(watch.here)


def _key(number: int) -> str:
    return f"{number:012x}"
