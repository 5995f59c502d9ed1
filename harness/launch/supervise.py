"""The loop around child workers, until they leave: signals are passed on, progress is shown, the report is kept current."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Generic, Protocol, TypeVar

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


@dataclass(frozen=True)
class Watched(Generic[State]):
    """What came of the workers: where the work stands, their gravest exit code, what stopped them, and whether a signal came."""

    state: State
    exit_code: int
    complaints: tuple[str, ...]
    stopped: bool


def supervise(store: Store, work: Work[State], view: Progress[State], options: WorkerOptions, workers: int) -> Watched[State]:
    """Train `work` in so many child workers until they have left.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2 stops the workers after their step with everything kept, a second one at once.
    Raises HarnessError.
    """
    mirror = MirrorProcess(store.paths, options.track, work.target.path)
    pool = Workers(store, work.target, workers, work.accelerator, options.replaced(one_stage=True, track="none"))
    with mirror, PassedOn(pool) as signals, pool, view:
        state = work.read()
        view.update(state)
        report = LiveReport(work.target.name, store.paths.root, work.finished(state), say) if work.has_report else None
        while True:
            alive = pool.poll()
            if not signals.asked and work.needs_workers(state, pool):
                pool.refill()
            elif not alive:
                break
            time.sleep(POLL_S)
            if signals.asked:
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
    return Watched(state, pool.exit_code, tuple(pool.complaints()), signals.asked)


class PassedOn:
    """While it lasts, signals that ask this process to stop are passed on to the workers; `asked` says that one came."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.asked = False
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> PassedOn:
        for number in STOP_SIGNALS:
            self.before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.workers.stop()
