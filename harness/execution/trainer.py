"""A run and its lease -> trained to its ending, or left with everything kept. What workers of plans and of searches share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.common.stopping import Stop
from harness.errors import Interrupted
from harness.execution import failures
from harness.execution.attempt import AttemptOptions, Job, attempt
from harness.execution.devices import cpus
from harness.execution.options import WorkerOptions
from harness.store.lease import Holder, Lease, SupersededError, Watch
from harness.store.records import Result, Store
from harness.tasks.protocol import Accelerator
from harness.tracking.session import MirrorProcess

Enough = Callable[[Sequence[Mapping[str, Any]]], bool]


class SpoiledError(Exception):
    """The accelerator is unusable by this process; the failed run's result is written."""


class Trainer:
    """Trains runs of a plan or a search one after the other until asked to stop; on `device` unless the options name another one.

    `target` is the file of the plan or the search.
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


def say(text: str) -> None:
    """A line for whoever watches the worker; without room for it on a full disk, the exit code still tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # What is still in the buffer would be written again at exit, and its failure become the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
