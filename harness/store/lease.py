"""Leases: at most one worker at a time may train a run.

A lease is a numbered file `lease.<n>` created by link(2), so that exactly one of several takers succeeds; the highest number is
valid, and taking over means creating n + 1. Its first line is a heartbeat counter of fixed width, rewritten in place (which
needs no space on a full disk and never recreates a removed file); its second line describes the holder. A lease is free when it
was released, when its holder is a dead process of this machine, or when its counter has not changed for `stale_s` on the
monotonic clock of the observer: clocks of two machines are never compared. A holder checks before every write and stops if there
is a higher number.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.common import results_root
from harness.common.patience import repeat, without_waiting
from harness.errors import StoreError
from harness.store import atomic
from harness.store.holder import Holder

LEASE = re.compile(r"lease\.(\d+)")
HEAD = re.compile(rb"(\d{12}) (held|free)\n")
HEAD_BYTES = 18
DEATHS_ALLOWED = 3
BEATS_PER_NOTICE = 2
BEATS_WITHOUT_NOTICE = 3 * BEATS_PER_NOTICE  # after so long without a notice, the lease of a holder is read
RELEASE_S = 10.0  # longest wait to release a lease: if it is not, it becomes stale


@dataclass(frozen=True)
class Timing:
    """Interval between heartbeats, and time without one after which a holder counts as gone, in seconds."""

    beat_s: float = 15.0
    stale_s: float = 120.0


class SupersededError(Exception):
    """A later holder has taken over the run: stop writing."""


class LeaseClaim(BaseModel):
    """The second line of a lease: the holder, and how many holders in a row died at the same checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    holder: Holder
    deaths: int = 0
    checkpoint: str | None = None


@dataclass(frozen=True)
class LeaseState:
    """A lease as read from disk. `claim` is None if unreadable; `age_s` mixes two clocks: for display only."""

    folder: Path
    number: int
    beat: int
    released: bool
    claim: LeaseClaim | None
    age_s: float


class Liveness(Enum):
    """What an observer knows about a holder."""

    ALIVE = "alive"
    UNKNOWN = "unknown"  # not observed for long enough
    GONE = "gone"


class Watch:
    """The observations of one process: when it last saw the counter of each lease change."""

    def __init__(self, timing: Timing, here: Holder, clock: Callable[[], float] = time.monotonic) -> None:
        self.timing = timing
        self.here = here
        self._clock = clock
        self._moved: dict[Path, tuple[int, int, float, bool]] = {}  # folder -> number, beat, since when, has changed
        self._local: dict[Path, Holder] = {}  # folder -> a live holder on this machine

    def liveness(self, observed: LeaseState) -> Liveness:
        """Whether the holder is alive; repeated calls make UNKNOWN certain."""
        holder = observed.claim.holder if observed.claim is not None else None
        if observed.released or (holder is not None and holder.is_dead_here(self.here)):
            self._local.pop(observed.folder, None)
            return Liveness.GONE
        nearby = holder is not None and holder.machine == self.here.machine
        if holder is not None and nearby:
            self._local[observed.folder] = holder
        return self._by_heartbeat(observed.folder, observed.number, observed.beat, nearby=nearby)

    def glance(self, folder: Path) -> Liveness | None:
        """`liveness` of the holder that was observed last in `folder`, from the first line of its lease alone.

        None: it holds the lease no longer, or none was observed. Raises StoreError.
        """
        number, *_ = self._moved.get(folder, (0,))
        if number == 0:
            return None
        try:
            head = HEAD.fullmatch(atomic.read_start(folder / f"lease.{number}", HEAD_BYTES))
        except FileNotFoundError:
            return None
        holder = self._local.get(folder)
        if head is None or head[2] == b"free" or (holder is not None and holder.is_dead_here(self.here)):
            return None
        return self._by_heartbeat(folder, number, int(head[1]), nearby=holder is not None)

    def _by_heartbeat(self, folder: Path, number: int, beat: int, *, nearby: bool) -> Liveness:
        now = self._clock()
        last_number, last_beat, since, moving = self._moved.get(folder, (0, 0, now, False))
        if (last_number, last_beat) != (number, beat):
            since, moving = now, last_number == number
            self._moved[folder] = (number, beat, since, moving)
        if now - since >= self.timing.stale_s:
            return Liveness.GONE
        return Liveness.ALIVE if moving or nearby else Liveness.UNKNOWN

    def somebody_died_here(self) -> bool:
        """Whether a process of this machine that held an observed lease has died; true once for each. Reads only /proc."""
        dead = [folder for folder, holder in self._local.items() if holder.is_dead_here(self.here)]
        for folder in dead:
            del self._local[folder]
        return bool(dead)

    def seems_gone(self, observed: LeaseState) -> bool:
        """`liveness` from a single observation: if that is UNKNOWN, the age of the file decides."""
        found = self.liveness(observed)
        return found is Liveness.GONE or (found is Liveness.UNKNOWN and observed.age_s > self.timing.stale_s)


class Lease:
    """A lease held by this process: a context manager that sends heartbeats until it releases the lease on exit.

    `announce` posts a notice that the run is being trained; called after every second heartbeat, in the thread that sends them.
    """

    def __init__(
        self, folder: Path, number: int, claim: LeaseClaim, timing: Timing, *, inode: int, announce: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.number = number
        self._inode = inode
        self.claim = claim
        self.lost = False  # set by the heartbeat: for loops; call `check` before writing
        self._timing = timing
        self._announce = announce
        self._beat = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name=f"lease of {folder.name}", daemon=True)

    @property
    def too_many_deaths(self) -> bool:
        """Whether `DEATHS_ALLOWED` holders in a row died at the same checkpoint, so that the run should fail."""
        return self.claim.deaths >= DEATHS_ALLOWED

    def check(self) -> None:
        """Raise SupersededError if there is a later holder, StoreError if the folder cannot be read."""
        if highest(self.folder) != self.number:
            self.lost = True
            raise SupersededError(f"{self.folder.name}: lease {self.number} was taken over")

    def beat(self, word: str = "held") -> None:
        """Increase the counter. Raises FileNotFoundError if the file was removed or replaced by another of its name."""
        self._beat += 1
        path = self.folder / f"lease.{self.number}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_ino != self._inode:  # the folder was moved, and there is a new one
                raise FileNotFoundError(errno.ENOENT, "belongs to another process", str(path))
            os.pwrite(descriptor, _head(self._beat, word), 0)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        try:
            repeat(self.folder, lambda: self.beat("free"), RELEASE_S)
        except FileNotFoundError:
            self.lost = True  # taken over and removed: nothing to release
        except OSError as problem:
            raise atomic.unusable(self.folder / f"lease.{self.number}", "be released", problem) from problem

    def _keep_beating(self) -> None:
        with without_waiting():
            self._beat_until_stopped()

    def _beat_until_stopped(self) -> None:
        beats = 0
        while not self._stop.wait(self._timing.beat_s):
            try:
                self.beat()
            except FileNotFoundError:
                self.lost = not results_root.may_be_away(self.folder)  # a folder that was unmounted may come back
                if self.lost:
                    return  # whoever takes over removes the file
                continue
            except (OSError, StoreError):
                continue  # storage is temporarily unavailable; if others take over, `check` raises
            beats += 1
            if beats % BEATS_PER_NOTICE == 0:
                self._announce()


def take(
    folder: Path,
    watch: Watch,
    checkpoint: Callable[[], str | None] = lambda: None,
    announce: Callable[[], None] = lambda: None,
) -> Lease | None:
    """Take the lease of the run in `folder`; None if another process holds it. `checkpoint`: its present `checkpoint.stamp`.

    `announce`: see `Lease`. Takes over from a holder that is gone and deletes its temporary files. Raises StoreError.
    """
    before = newest(folder)
    if before is None:
        atomic.make_folder(folder)
    elif watch.liveness(before) is not Liveness.GONE:
        return None
    number = before.number + 1 if before else 1
    path = folder / f"lease.{number}"
    stamp = checkpoint() if before else None
    claim = LeaseClaim(holder=watch.here, deaths=_deaths(before, stamp), checkpoint=stamp)
    head = _head(0, "held") + claim.model_dump_json().encode() + b"\n"
    try:
        if not atomic.publish(path, head, durable=False):
            return None
    except StoreError:
        if highest(folder) < number:
            raise
        return None  # whoever took it has removed our temporary file
    seen = atomic.status(path)
    names = atomic.names(folder)
    if seen is None or max(_numbers(names), default=0) != number:
        return None
    # Lower numbers only, ascending: the highest always exists, so numbers never restart.
    for lower in sorted(each for each in _numbers(names) if each < number):
        atomic.remove(folder / f"lease.{lower}")
    atomic.remove_temporaries(folder, names, below=number)
    return Lease(folder, number, claim, watch.timing, inode=seen.st_ino, announce=announce)


def newest(folder: Path) -> LeaseState | None:
    """The valid lease; None without one. Raises StoreError."""
    while number := highest(folder):
        path = folder / f"lease.{number}"
        try:
            data, file = atomic.read_with_status(path)
        except FileNotFoundError:
            continue  # taken over and removed in between
        return _state(folder, number, data, max(0.0, time.time() - file.st_mtime))
    return None


def _state(folder: Path, number: int, data: bytes, age_s: float) -> LeaseState:
    head, _, body = data.partition(b"\n")
    match = HEAD.fullmatch(head + b"\n")
    try:
        claim = LeaseClaim.model_validate_json(body)
    except ValidationError:
        claim = None
    return LeaseState(folder, number, int(match[1]) if match else -1, bool(match and match[2] == b"free"), claim, age_s)


def highest(folder: Path) -> int:
    """The number of the valid lease; 0 without one. Raises StoreError."""
    return max(_numbers(atomic.names(folder)), default=0)


def _numbers(names: Iterable[str]) -> list[int]:
    return [int(match[1]) for match in map(LEASE.fullmatch, names) if match]


def _deaths(before: LeaseState | None, checkpoint: str | None) -> int:
    if before is None or before.released or before.claim is None:
        return 0
    return before.claim.deaths + 1 if before.claim.checkpoint == checkpoint else 1


def _head(beat: int, word: str) -> bytes:
    return f"{beat:012d} {word}\n".encode()
