"""A run's folder -> who may train it now.

A lease is a numbered file `lease.<n>` made by link(2), so that of many takers one gets it; the highest number holds, and taking
over is creating n + 1. Its first line is a heartbeat counter of fixed width, rewritten in place (so that it needs no room on a
full disk and never brings back a file that somebody removed); its second line says who holds. A lease is free when it was
released, when its holder is a dead process of this machine, or when its counter stood still for `stale_s` on the observer's own
monotonic clock: no two clocks are ever compared. A holder checks before every write and leaves when there is a higher number.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import StoreError
from harness.store import atomic

LEASE = re.compile(r"lease\.(\d+)")
HEAD = re.compile(rb"(\d{12}) (held|free)\n")
DEATHS_ALLOWED = 3


@dataclass(frozen=True)
class Timing:
    """How often a holder beats and after how long without a beat it counts as gone, in seconds."""

    beat_s: float = 15.0
    stale_s: float = 120.0


class SupersededError(Exception):
    """A later holder has the run: nothing may be written any more."""


class Holder(BaseModel):
    """Who trains: a process on a machine. `machine` tells kernels and containers apart where host names do not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    machine: str  # boot id and process-id namespace: within one, process ids can be compared
    pid: int
    process_start: str  # clock ticks since boot: tells a process from a later one with its id
    job: str | None = None  # array id and number of restarts, under SLURM
    parent: int | None = None  # the process that started it, such as `harness run`

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        job = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
        restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
        return cls(
            host=socket.gethostname(),
            machine=f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}",
            pid=os.getpid(),
            process_start=_process(os.getpid())[1],
            job=f"{job}, requeued {'once' if restarts == '1' else f'{restarts} times'}" if job and restarts != "0" else job,
            parent=os.getppid(),
        )

    def is_dead_here(self, here: Holder) -> bool:
        """Whether `here`'s machine knows that this process ended. False when it lives, or cannot be seen from here."""
        if self.machine != here.machine:
            return False
        state, start = _process(self.pid)
        if state == "":
            return not _answers(self.pid)
        return state in ("Z", "X") or start != self.process_start


class LeaseClaim(BaseModel):
    """The second line of a lease: the holder, and how often holders died in a row at the same checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    holder: Holder
    deaths: int = 0
    checkpoint: str | None = None


@dataclass(frozen=True)
class LeaseState:
    """A lease as it was read: `claim` None: unreadable; `age_s` compares file system and reader, to show only."""

    folder: Path
    number: int
    beat: int
    released: bool
    claim: LeaseClaim | None
    age_s: float


class Liveness(Enum):
    """What an observer knows of a holder."""

    ALIVE = "alive"
    UNKNOWN = "unknown"  # not watched for long enough
    GONE = "gone"


class Watch:
    """One observer's view of other holders: when it last saw each counter move."""

    def __init__(self, timing: Timing, here: Holder, clock: Callable[[], float] = time.monotonic) -> None:
        self.timing = timing
        self.here = here
        self._clock = clock
        self._moved: dict[Path, tuple[int, int, float, bool]] = {}  # folder -> number, beat, since when, seen moving

    def liveness(self, seen: LeaseState) -> Liveness:
        """Whether the holder of `seen` lives; looking again later tells more."""
        if seen.released or (seen.claim is not None and seen.claim.holder.is_dead_here(self.here)):
            return Liveness.GONE
        now = self._clock()
        number, beat, since, moving = self._moved.get(seen.folder, (0, 0, now, False))
        if (number, beat) != (seen.number, seen.beat):
            since, moving = now, number == seen.number
            self._moved[seen.folder] = (seen.number, seen.beat, since, moving)
        if now - since >= self.timing.stale_s:
            return Liveness.GONE
        nearby = seen.claim is not None and seen.claim.holder.machine == self.here.machine
        return Liveness.ALIVE if moving or nearby else Liveness.UNKNOWN

    def seems_gone(self, seen: LeaseState) -> bool:
        """`liveness` at a single look, which cannot see a counter stand still: then the file's age decides."""
        found = self.liveness(seen)
        return found is Liveness.GONE or (found is Liveness.UNKNOWN and seen.age_s > self.timing.stale_s)


class Lease:
    """A lease that this process holds; a context manager that beats while it is open and releases at its end."""

    def __init__(self, folder: Path, number: int, claim: LeaseClaim, timing: Timing, inode: int) -> None:
        self.folder = folder
        self.number = number
        self._inode = inode
        self.claim = claim
        self.lost = False  # seen by the heartbeat: ask it in loops, `check` before writing
        self._timing = timing
        self._beat = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name=f"lease of {folder.name}", daemon=True)

    @property
    def too_many_deaths(self) -> bool:
        """Whether so many holders in a row died at the same checkpoint that another try is no use."""
        return self.claim.deaths >= DEATHS_ALLOWED

    def check(self) -> None:
        """Raises SupersededError when there is a later holder; StoreError when that cannot be told."""
        if highest(self.folder) != self.number:
            self.lost = True
            raise SupersededError(f"{self.folder.name}: lease {self.number} was taken over")

    def beat(self, word: str = "held") -> None:
        """Count on, so that observers see life. Raises FileNotFoundError where the file is gone, or another one has its name."""
        self._beat += 1
        path = self.folder / f"lease.{self.number}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_ino != self._inode:  # the folder was put away, and there is a new one
                raise FileNotFoundError(errno.ENOENT, "is somebody else's", str(path))
            os.pwrite(descriptor, _head(self._beat, word), 0)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self.beat("free")
        except FileNotFoundError:
            self.lost = True  # taken over, and our file is gone: nothing to release
        except OSError as problem:
            raise atomic.unusable(self.folder / f"lease.{self.number}", "be released", problem) from problem

    def _keep_beating(self) -> None:
        while not self._ended.wait(self._timing.beat_s):
            try:
                self.beat()
                self.lost = highest(self.folder) != self.number
            except FileNotFoundError:
                self.lost = True
            except (OSError, StoreError):
                continue  # a storage that is away for a while; if it stays away others take over, and `check` tells
            if self.lost:
                return


def take(folder: Path, watch: Watch, checkpoint: str | None = None) -> Lease | None:
    """The lease of the run in `folder`, or None when somebody else has it. `checkpoint` identifies the one that is there.

    Takes over from a holder that is gone, and removes what it was writing. Raises StoreError.
    """
    atomic.make_folder(folder)
    before = newest(folder)
    if before is not None and watch.liveness(before) is not Liveness.GONE:
        return None
    bid = _Bid(folder, before.number + 1 if before else 1)
    path = folder / f"lease.{bid.number}"
    claim = LeaseClaim(holder=watch.here, deaths=_deaths(before, checkpoint), checkpoint=checkpoint)
    try:
        if not atomic.publish(path, _head(0, "held") + claim.model_dump_json().encode() + b"\n", bid):
            return None
    except SupersededError:
        return None
    try:
        inode = path.stat().st_ino
    except OSError as error:
        if error.errno in atomic.REPLACED:
            return None
        raise atomic.unusable(path, "be read", error) from error
    if highest(folder) != bid.number:
        return None
    # Only lower numbers go: the highest is never removed, so numbers never start again.
    for number in _numbers(folder):
        if number < bid.number:
            atomic.remove(folder / f"lease.{number}")
    atomic.remove_temporaries(folder, below=bid.number)
    return Lease(folder, bid.number, claim, watch.timing, inode)


def newest(folder: Path) -> LeaseState | None:
    """The lease that holds, as it reads now; None without one. Raises StoreError."""
    number = highest(folder)
    if number == 0:
        return None
    path = folder / f"lease.{number}"
    try:
        data = path.read_bytes()
        age_s = max(0.0, time.time() - path.stat().st_mtime)
    except OSError as error:
        if error.errno in atomic.REPLACED:
            return newest(folder)  # taken over and removed between the two looks
        raise atomic.unusable(path, "be read", error) from error
    head, _, body = data.partition(b"\n")
    match = HEAD.fullmatch(head + b"\n")
    try:
        claim = LeaseClaim.model_validate_json(body)
    except ValidationError:
        claim = None
    return LeaseState(folder, number, int(match[1]) if match else -1, bool(match and match[2] == b"free"), claim, age_s)


def highest(folder: Path) -> int:
    """The number of the lease that holds; 0 without one. Raises StoreError."""
    return max(_numbers(folder), default=0)


def _numbers(folder: Path) -> list[int]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise atomic.unusable(folder, "be read", error) from error
    return [int(match[1]) for match in map(LEASE.fullmatch, names) if match]


def _deaths(before: LeaseState | None, checkpoint: str | None) -> int:
    if before is None or before.released or before.claim is None:
        return 0
    return before.claim.deaths + 1 if before.claim.checkpoint == checkpoint else 1


def _head(beat: int, word: str) -> bytes:
    return f"{beat:012d} {word}\n".encode()


def _process(pid: int) -> tuple[str, str]:
    """State letter and start time of a process of this machine; two empty strings when there is none."""
    try:
        # The name, in parentheses, may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[19]


def _answers(pid: int) -> bool:
    """Whether a process takes signals; /proc may be mounted so that it hides those of other users (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class _Bid:
    """A lease about to be taken: its number keeps the winner's cleaning away from the losers' temporary files."""

    folder: Path
    number: int

    def check(self) -> None:
        if highest(self.folder) >= self.number:
            raise SupersededError(f"{self.folder.name}: lease {self.number} went to somebody else")
