"""The loop around child workers: forwards signals, shows progress, keeps the report current."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol, TypeVar

from harness.common import patience
from harness.errors import HarnessError, StoreError
from harness.execution.machine.slots import Slot
from harness.execution.options import WorkerOptions
from harness.launch.live_report import LiveReport
from harness.launch.preparation import AFTER_S, Preparation
from harness.launch.worker_pool import Target, Workers
from harness.store.records import Store
from harness.tasks.protocol import Accelerator
from harness.terminal.live import Progress
from harness.terminal.shell import say
from harness.tracking.session import MirrorProcess

POLL_S = 0.5  # between two looks at the runs; the end of a worker is noticed at once
FIRST_POLL_S = 0.1  # until a run has finished, for the first `AFTER_S`: after short runs there is little time to prepare
UPDATE_SHARE = 0.05  # of the time, at most, goes into reading and showing states: of large plans, less often than `POLL_S`
LONGEST_UPDATE_S = 10.0  # between two updates, however long one takes
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

State = TypeVar("State")


class Work(Protocol[State]):
    """The work of child workers: the runs of a plan or the trials of a search."""

    target: Target
    accelerator: Accelerator
    has_report: bool

    def read(self) -> State:
        """The records of all runs, or all trials, as far as is known; called at most twice a second. Raises StoreError."""

    def read_whole(self) -> State:
        """The same as it is on disk. Raises StoreError."""

    def finished(self, state: State, /) -> int:
        """Number of finished runs or trials: the report is rewritten when it changes."""

    def conclude(self, state: State, /) -> None:
        """Record what the results decide, before the mirror is closed, which reports it. Raises HarnessError."""

    def needs_workers(self, state: State, workers: Workers, /) -> bool:
        """Whether workers that left for lack of work are needed again."""


def supervise(
    store: Store, work: Work[State], view: Progress[State], options: WorkerOptions, slots: Sequence[Slot], *, mirrors: ExitStack
) -> tuple[State, Workers]:
    """Train `work` in child processes, one in each slot, until all have left; returns its final state and the workers.

    The mirror of its runs is closed with `mirrors`: the results are shown before the rest of the uploads is waited for.
    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 lets the workers finish their step and write checkpoints, a second one stops
    them immediately. Raises HarnessError.
    """
    mirrors.close()  # an earlier stage's
    mirror = MirrorProcess(store.paths, options.track, work.target.path)
    pool = Workers(store, work.target, slots, work.accelerator, options.replaced(one_stage=True, track="none"))
    patient = patience.waiting_up_to(options.patience_s, lambda: pool.asked_to_stop)
    mirrors.enter_context(mirror)
    with patient, _forward_signals(pool), pool, view, ExitStack() as stack:
        state = work.read()
        view.update(state)
        report, preparation, start = None, Preparation(), time.monotonic()
        if work.has_report:
            report = stack.enter_context(LiveReport(work.target.name, store.paths.root, work.finished(state), say))
        due = 0.0  # when the states are read next, on the monotonic clock
        while True:
            alive = pool.poll()
            if not pool.asked_to_stop and work.needs_workers(state, pool):
                pool.restart_idle()
            elif not alive:
                break
            at_first = time.monotonic() - start < AFTER_S and not work.finished(state)
            pool.wait_for_exit(FIRST_POLL_S if at_first else POLL_S)
            if not pool.poll():
                continue  # what follows is for the time while they train
            if pool.asked_to_stop:
                view.stopping()
            if (began := time.monotonic()) < due:
                continue
            try:
                with patience.waiting_up_to(0.0):  # the children must still be looked after
                    state = work.read()
                    view.update(state)
                    due = next_update(began, time.monotonic())
                    if report is not None and not pool.asked_to_stop:  # the caller writes it at the end
                        report.update(work.finished(state))
            except StoreError:
                continue  # the folder is unavailable for a while; the workers report it
            if report is not None:
                while pool.poll() and not pool.asked_to_stop and preparation.turn(work.finished(state)):
                    pass
        if pool.asked_to_stop:
            view.stopping()
        state = work.read_whole()
        view.update(state)
        if mirror.process is not None:
            with suppress(HarnessError):  # the report meets the same error, and says so
                work.conclude(state)
    return state, pool


def next_update(began: float, ended: float) -> float:
    """The earliest time of the next update after one that took from `began` to `ended`."""
    return ended + min(LONGEST_UPDATE_S, (ended - began) * (1 / UPDATE_SHARE - 1))


@contextmanager
def _forward_signals(workers: Workers) -> Iterator[None]:
    """Signals that ask this process to stop stop the workers instead."""
    before = {number: signal.signal(number, lambda *_: workers.stop()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
