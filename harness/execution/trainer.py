"""A run and its lease -> trained to its ending, or left with everything kept. What workers of plans and of searches share."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common.stopping import Stop
from harness.errors import Interrupted, StoreError
from harness.execution import failures
from harness.execution.attempt import Job, Means, attempt
from harness.store import atomic
from harness.store.lease import Holder, Lease, SupersededError, Timing, Watch
from harness.store.records import Result, Store
from harness.tasks.protocol import Accelerator
from harness.tracking.session import MirrorProcess

Enough = Callable[[Sequence[Mapping[str, Any]]], bool]

PATIENCE = 30  # looks in a row that may fail


@dataclass(frozen=True)
class Options:
    """How a worker works; see `harness worker --help`. Times in seconds."""

    device: Accelerator = "cpu"
    threads: int | None = None
    only: frozenset[str] = frozenset()  # variants; empty: all
    retry: frozenset[str] = frozenset()  # of failed, diverged
    retry_before: str = ""  # ISO 8601, UTC: later endings are not retried
    keep_weights: bool = False
    idle_s: float | None = None  # None: a while where more runs may come, else 0
    track: str = "auto"
    checkpoint_every_s: float | None = None
    poll_s: float = 1.0
    one_stage: bool = False  # leave the plans that follow to others
    timing: Timing = field(default_factory=Timing)
    command: tuple[str, ...] = ()


class SpoiledError(Exception):
    """The accelerator is unusable by this process; the failed run's result is written."""


class Patience:
    """With a shared folder that is away for a while: hours of work and waiting must not end with one read that failed."""

    def __init__(self) -> None:
        self._away = 0

    def bears(self, error: StoreError) -> bool:
        """Whether to look again, which is said once; not after `PATIENCE` failures in a row, or where waiting mends nothing."""
        self._away += 1
        if self._away > PATIENCE or not atomic.passes(error):
            return False
        if self._away == 1:
            say(f"{error}; looking again")
        return True

    def renew(self) -> None:
        """It answered."""
        self._away = 0


class Trainer:
    """Trains runs of a plan or a search, whose file is `target`, one after the other, until asked to stop."""

    def __init__(self, store: Store, options: Options, stop: Stop, target: Path, here: Holder | None = None) -> None:
        self.store, self.options, self.stop = store, options, stop
        self.watch = Watch(options.timing, here or Holder.here())
        self.mirror = MirrorProcess(store.paths, options.track, target, say)

    def train(self, job: Job, name: str, lease: Lease, enough: Enough = lambda _: False) -> Result | None:
        """How the run ended; None where it did not: stopped, `enough` after some epoch, taken over, or it had ended before.

        `name` is what lines about it call it. Releases the lease. Raises SpoiledError, and the HarnessError of a task that
        cannot start.
        """
        options = self.options
        with lease:
            if self.store.result(job.run_id) is not None:
                return None  # it ended between looking and taking
            means = Means(
                device=options.device,
                threads=options.threads,
                command=options.command,
                keep_weights=options.keep_weights,
                checkpoint_every_s=options.checkpoint_every_s,
                should_stop=self.stop,
                enough=enough,
            )
            self.mirror.start()
            say(f"{job.run_id}  {name}: begins")
            try:
                result = attempt(job, self.store.paths.run(job.run_id), lease, means)
            except Interrupted as interrupted:
                say(str(interrupted))
                return None
            except SupersededError as superseded:
                say(f"{superseded}; leaving it")
                return None
        why = f" {result.reason}: {result.error}" if result.reason else ""
        say(f"{job.run_id}  {name}: {result.state}{why}")
        if result.state == "failed" and failures.spoils_the_process(result.error or ""):
            raise SpoiledError(result.error)
        return result

    def close(self) -> None:
        """Let the mirror finish."""
        self.mirror.close()


def cpus() -> int:
    """How many processors this process may use: its affinity mask, and its control group's quota."""
    count = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        allowed, period = quota.read_text().split()
        if allowed != "max":
            count = min(count, math.ceil(int(allowed) / int(period)))
    return max(1, count)


def say(text: str) -> None:
    """A line for whoever watches the worker; without room for it on a full disk, the exit code still tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # What is still in the buffer would be written again at exit, and its failure become the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
