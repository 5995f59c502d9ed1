"""The loop of every worker: take work under its lease, train it, wait for what others train, until nothing is left.

Where work comes from is a subclass's: the runs of a plan, the trials of a search.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.common.stopping import Stop
from harness.errors import Interrupted, StoreError
from harness.execution import failures
from harness.execution.attempt import AttemptOptions, Job, attempt
from harness.execution.devices import cpus
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.lease import Holder, Lease, SupersededError, Watch
from harness.store.records import Result, Store
from harness.tasks.protocol import Accelerator
from harness.tracking.session import MirrorProcess

Enough = Callable[[Sequence[Mapping[str, Any]]], bool]

IDLE_S = 600.0  # how long to wait by default where what others train may bring more work
FAILURES_ALLOWED = 30  # of the shared folder, in a row


class SpoiledError(Exception):
    """The accelerator is unusable by this process; the failed run's result is written."""


class RetryBudget:
    """For a shared folder that is away for a while: hours of work and waiting must not end with one read that failed."""

    def __init__(self) -> None:
        self._failures = 0

    def allows(self, error: StoreError) -> bool:
        """Whether to try again, which is said once; not after too many failures in a row, or where waiting changes nothing."""
        self._failures += 1
        if self._failures > FAILURES_ALLOWED or not atomic.is_transient(error):
            return False
        if self._failures == 1:
            say(f"{error}; looking again")
        return True

    def renew(self) -> None:
        """It answered."""
        self._failures = 0


class Worker(ABC):
    """Trains what one source of work gives, one thing after the other. Any number of workers on any machines may share it.

    `target` is the file of the plan or the search that the work comes from; `device` holds unless the options name another one.
    """

    def __init__(
        self,
        store: Store,
        target: Path,
        device: Accelerator,
        options: WorkerOptions,
        stop: Stop,
        *,
        here: Holder | None = None,
    ) -> None:
        self.store, self.options, self.stop = store, options, stop
        self.device = options.device or device
        self.watch = Watch(options.timing, here or Holder.here())
        self.mirror = MirrorProcess(store.paths, options.track, target, say)

    @abstractmethod
    def prepare(self) -> None:
        """Once, before any work is taken: what is to be retried becomes work again."""

    @abstractmethod
    def take(self) -> Callable[[], object] | None:
        """Take work under its lease; what trains it. None where nothing can be taken now. Raises StoreError."""

    @abstractmethod
    def left(self) -> Sequence[bool]:
        """For each piece of work that is left, after `take` gave none: whether somebody is known to train it."""

    @abstractmethod
    def expects_more(self) -> bool:
        """Whether what others train may bring more work."""

    @abstractmethod
    def exit_code(self) -> int:
        """Of where things stand once the worker leaves; says why something is left that nobody trains."""

    @abstractmethod
    def following(self) -> Plan | None:
        """The plan that the results lead to, written down; None where nothing follows, or not yet. Raises PlanChanged."""

    def work(self) -> int:
        """Returns the exit code. Raises HarnessError when nothing can be trained here as things are."""
        self.prepare()
        idle_since, budget = time.monotonic(), RetryBudget()
        while not self.stop():
            try:
                train = self.take()
                if train is not None:
                    train()
                    idle_since = time.monotonic()
                elif self._nothing_to_wait_for(time.monotonic() - idle_since):
                    break
                else:
                    self.stop.wait(self.options.poll_s)
            except StoreError as error:
                # What was left so is nobody's: it is taken again, and goes on from its checkpoint.
                if not budget.allows(error):
                    raise
                self.stop.wait(self.options.poll_s)
            else:
                budget.renew()
        return self.exit_code()

    def train(self, job: Job, name: str, lease: Lease, enough: Enough = lambda _: False) -> Result | None:
        """How the run ended; None where it did not: stopped, `enough` after some epoch, taken over, or it had ended before.

        `name` is what lines about it call it. Releases the lease. Raises SpoiledError, and the HarnessError of a task that
        cannot start.
        """
        options = self.options
        with lease:
            if self.store.result(job.run_id) is not None:
                return None  # it ended between looking and taking
            how = AttemptOptions(
                device=self.device,
                threads=options.threads or cpus(),
                command=tuple(sys.argv),
                keep_weights=options.keep == "weights",
                checkpoint_every_s=options.checkpoint_every,
                should_stop=self.stop,
                enough=enough,
            )
            self.mirror.start()
            say(f"{job.run_id}  {name}: begins")
            try:
                result = attempt(job, self.store.paths.run(job.run_id), lease, how)
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

    def _nothing_to_wait_for(self, idle_s: float) -> bool:
        left = self.left()
        allowed = self.options.idle
        if allowed is None:
            allowed = IDLE_S if self.expects_more() else 0.0
        # Before leaving, make sure that the others live: else what they train would be lost with them.
        return not left or (idle_s >= allowed and all(left))


def say(text: str) -> None:
    """A line for whoever watches the worker; without room for it on a full disk, the exit code still tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # What is still in the buffer would be written again at exit, and its failure become the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
