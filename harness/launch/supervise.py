"""The loop around child workers, until they leave: signals are passed on, progress is shown, the report is kept current."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from harness.errors import StoreError
from harness.execution.options import WorkerOptions
from harness.launch.worker_pool import Target, Workers
from harness.reporting.pages.live_report import LiveReport
from harness.store.records import Store
from harness.tasks.protocol import Accelerator
from harness.terminal.live import Progress
from harness.terminal.shell import say
from harness.tracking.session import MirrorProcess

POLL_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

State = TypeVar("State")


class Work(Protocol[State]):
    """What workers train: the runs of a plan, or the trials of a search."""

    target: Target
    accelerator: Accelerator
    has_report: bool

    def read(self) -> State:
        """Where it stands. Raises StoreError."""

    def finished(self, state: State, /) -> int:
        """How many of its runs or trials have: the report changes with them."""

    def needs_workers(self, state: State, workers: Workers, /) -> bool:
        """Whether workers that left because nothing was left are needed again."""


def supervise(
    store: Store, work: Work[State], view: Progress[State], options: WorkerOptions, workers: int
) -> tuple[State, Workers]:
    """Train `work` in so many child workers until they have left: where it stands then, and the workers.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError.
    """
    mirror = MirrorProcess(store.paths, options.track, work.target.path)
    pool = Workers(store, work.target, workers, work.accelerator, options.replaced(one_stage=True, track="none"))
    with mirror, _passed_on(pool), pool, view:
        state = work.read()
        view.update(state)
        report = LiveReport(work.target.name, store.paths.root, work.finished(state), say) if work.has_report else None
        while True:
            alive = pool.poll()
            if not pool.asked_to_stop and work.needs_workers(state, pool):
                pool.restart_idle()
            elif not alive:
                break
            time.sleep(POLL_S)
            if pool.asked_to_stop:
                view.stopping()
            try:
                state = work.read()
            except StoreError:
                continue  # the folder is away for a while, which the workers tell of
            view.update(state)
            if report is not None:
                report.update(work.finished(state))
        state = work.read()
        view.update(state)
    return state, pool


@contextmanager
def _passed_on(workers: Workers) -> Iterator[None]:
    """While it lasts, signals that ask this process to stop are passed on to the workers."""
    before = {number: signal.signal(number, lambda *_: workers.stop()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
