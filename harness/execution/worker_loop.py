"""The loop of every worker: take work under its lease, train it, wait for other workers, until nothing remains.

Subclasses supply the work: the runs of a plan, or the trials of a search.
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.common import patience
from harness.common.stopping import Stop
from harness.errors import Interrupted, StoreError
from harness.execution import failures
from harness.execution.attempt import attempt
from harness.execution.job import AttemptOptions, Job
from harness.execution.machine.processors import cpus
from harness.execution.options import WorkerOptions
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Lease, SupersededError, Watch
from harness.store.notices import Notices, Word
from harness.store.records import Result, Store
from harness.tasks.protocol import Accelerator
from harness.tracking.session import MirrorProcess

PruneCheck = Callable[[Sequence[Mapping[str, Any]]], bool]

REPLACED_S = 2.0  # a plan that is replaced is missing for less
SAY_S = 10.0  # longest wait to print a line
IDLE_S = 600.0  # default wait if results of other workers may bring more work
# Between looks of a waiting worker, in `poll_s`; the first waits are shorter, each a half longer than the last.
LONGEST_WAIT = 22.0
JITTER = 0.35  # of a wait: workers that began to wait together do not look together
GIVE_UP_S = 3600.0  # without an answer of the shared folder


class AcceleratorUnusableError(Exception):
    """This process can no longer use the accelerator; the failed run's result is written."""


class RetryBudget:
    """Tolerates a shared folder that is unavailable for a while: a server that is restarted must not end a cluster's workers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None  # when the first of consecutive failures was

    def allows(self, error: StoreError) -> bool:
        """Whether to try again, printed once; false if the error is permanent. Raises Interrupted after `GIVE_UP_S`."""
        if not atomic.is_transient(error):
            return False
        if self._since is None:
            self._since = self._clock()
            say(f"{error}; trying again")
        if self._clock() - self._since >= GIVE_UP_S:
            raise Interrupted(f"{error}; gave up after {GIVE_UP_S / 60:.0f} min, the same command continues") from error
        return True

    def reset(self) -> None:
        """After a success."""
        self._since = None


class Worker(ABC):
    """Trains the work of one plan or search. Any number of workers on any machines may share it.

    `name` is the name of the plan or search, `target` its file; `device` applies unless the options name another one.
    """

    def __init__(
        self,
        store: Store,
        target: Path,
        device: Accelerator,
        options: WorkerOptions,
        stop: Stop,
        *,
        name: str,
        here: Holder | None = None,
    ) -> None:
        self.store, self.options, self.stop, self._target = store, options, stop, target
        self.device = options.device or device
        self.random = random.Random()  # its own: training may have set the state of the global one
        self.watch = Watch(options.timing, here or Holder.here())
        self.notices = Notices(store.paths, name, self.watch.here.machine)
        self.mirror = MirrorProcess(store.paths, options.track, target, say)

    @abstractmethod
    def prepare(self) -> None:
        """Called once, before any work is taken: resets what is to be retried."""

    @abstractmethod
    def take(self) -> Callable[[], object] | None:
        """Take work under its lease. Returns the function that trains it; None: nothing can be taken now. Raises StoreError."""

    @abstractmethod
    def others(self) -> Sequence[bool]:
        """For each unfinished item after `take` returned None: whether a worker is known to train it."""

    @abstractmethod
    def expects_more(self) -> bool:
        """Whether results of other workers may bring more work."""

    def something_changed_here(self) -> bool:
        """Whether it is worth looking for work again before the wait has ended; called often, so it must cost nothing."""
        return False

    @abstractmethod
    def exit_code(self) -> int:
        """The exit code once the worker stops; prints why anything is left untrained."""

    @abstractmethod
    def next_plan(self) -> Plan | None:
        """The plan that the results lead to, saved; None: nothing follows, or not yet. Raises PlanChanged."""

    def work(self) -> int:
        """Returns the exit code. Raises HarnessError if nothing can be trained here."""
        self.prepare()
        idle_since, waits, budget = time.monotonic(), 0, RetryBudget()
        while not self.stop():
            try:
                train = self.take()
                if train is not None:
                    train()
                    idle_since, waits = time.monotonic(), 0
                elif self._nothing_to_wait_for(time.monotonic() - idle_since):
                    break
                else:
                    left = self._idle_allowed() - (time.monotonic() - idle_since)
                    self.pause(waits, self.something_changed_here, left if left > 0 else math.inf)
                    waits += 1
            except StoreError as error:
                # The work was released: some worker takes it again and resumes from its checkpoint.
                if not budget.allows(error):
                    raise
                self.stop.wait(self.options.poll_s)
            else:
                budget.reset()
        return self.exit_code()

    def train(self, job: Job, name: str, lease: Lease, should_prune: PruneCheck = lambda _: False) -> Result | None:
        """The run's result; None if it has none yet (stopped, pruned, taken over) or had one before.

        `name` labels it in messages. Releases the lease. Raises AcceleratorUnusableError, and the HarnessError of a task that
        cannot start.
        """
        options = self.options
        word: Word = "left"
        try:
            with lease:
                if (before := self.store.result(job.run_id)) is not None:
                    word = before.state
                    return None  # it finished before this worker took it
                attempt_options = AttemptOptions(
                    device=self.device,
                    threads=options.threads or cpus(),
                    command=tuple(sys.argv),
                    keep_weights=options.keep == "weights",
                    checkpoint_every_s=options.checkpoint_every,
                    should_stop=self.stop,
                    should_prune=should_prune,
                )
                self._refuse_removed()
                self.mirror.start()
                self.notices.post(job.run_id, "taken")
                say(f"{job.run_id}  {name}: started")
                try:
                    result = attempt(job, self.store.paths.run(job.run_id), lease, attempt_options)
                except Interrupted as interrupted:
                    say(str(interrupted))
                    return None
                except SupersededError as superseded:
                    say(f"{superseded}; skipped")
                    return None
                word = result.state
        finally:
            self.notices.post(job.run_id, word)
        why = f" {result.reason}: {result.error}" if result.reason else ""
        say(f"{job.run_id}  {name}: {result.state}{why}")
        if result.state == "failed" and failures.is_accelerator_error(result.error or ""):
            raise AcceleratorUnusableError(result.error)
        return result

    def announcer(self, run_id: str) -> Callable[[], None]:
        """The function that posts a notice that the run is being trained; for its lease."""
        return partial(self.notices.post, run_id, "alive")

    def close(self) -> None:
        """Wait for the W&B mirror to finish."""
        self.mirror.close()

    def pause(self, waits: int, until: Callable[[], bool], longest_s: float = math.inf) -> None:
        """Wait before the next look, after `waits` waits in a row, or until `until` is true, which is called often."""
        seconds = self.options.poll_s * min(LONGEST_WAIT, 1.5 ** min(waits, 100)) * self.random.uniform(1 - JITTER, 1 + JITTER)
        self.stop.wait(min(seconds, longest_s), until)

    def _idle_allowed(self) -> float:
        if self.options.idle is not None:
            return self.options.idle
        return IDLE_S if self.expects_more() else 0.0

    def _refuse_removed(self) -> None:
        """Raises StoreError if the plan or search was removed; while another command replaces it, it is briefly missing."""
        if not atomic.exists(self._target):
            self.stop.wait(REPLACED_S)
            if not atomic.exists(self._target):
                raise StoreError(f"{self._target}: was removed; restore it from a copy, or start the experiment again")

    def _nothing_to_wait_for(self, idle_s: float) -> bool:
        others, allowed = self.others(), self._idle_allowed()
        # Leave only if the other workers are known to be alive: otherwise their work would remain untrained.
        return not others or (idle_s >= allowed and all(others))


def say(text: str) -> None:
    """Print to stderr. A full disk is ignored, as the exit code still reports the outcome."""
    try:
        try:
            print(f"{text}\n", end="", file=sys.stderr, flush=True)  # one call, as others write there, too
        except OSError as error:
            if not patience.is_transient(error):
                raise
            patience.repeat(Path(os.devnull), sys.stderr.flush, SAY_S, silent=True)  # the text is in its buffer
    except OSError:
        # Python would flush the buffer again at exit, and the failure would become the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
