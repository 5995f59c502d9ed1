"""When to stop: on signals, when the parent process ends, or after a time limit."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

POLL_S = 0.2  # longest delay until `wait` notices a stop request


class Stop:
    """Call it to learn whether to stop. A second SIGINT raises KeyboardInterrupt.

    A plain attribute, not a threading.Event: a signal handler that interrupts Event.wait in the main thread would deadlock on the
    lock that this thread holds.
    """

    def __init__(self, after_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._requested = False
        self._clock = clock
        self._deadline = math.inf if after_s is None else clock() + after_s

    def __call__(self) -> bool:
        return self._requested or self._clock() >= self._deadline

    def request(self) -> None:
        """Request a stop."""
        self._requested = True

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Return after `seconds`, or sooner on a stop request, or once `until` is true, which is called often."""
        end = time.monotonic() + seconds
        while not self() and (left := end - time.monotonic()) > 0 and not until():
            time.sleep(min(left, POLL_S, max(0.0, self._deadline - self._clock())))

    def on_signals(self) -> None:
        """Stop on SIGINT, SIGTERM, SIGUSR1, SIGUSR2: batch systems warn with any of them."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._signalled)

    def with_parent(self) -> None:
        """Stop when standard input ends: the parent holds its other end, so that a killed parent is noticed too."""
        threading.Thread(target=self._await_end_of_input, name="parent", daemon=True).start()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._requested:
            raise KeyboardInterrupt
        self._requested = True

    def _await_end_of_input(self) -> None:
        _await_end_of_input()
        self._requested = True


def interrupt_with_parent() -> None:
    """Interrupt this process, as Ctrl-C does, when standard input ends, whose other end its parent holds."""

    def interrupt() -> None:
        _await_end_of_input()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, name="parent", daemon=True).start()


def _await_end_of_input() -> None:
    while os.read(0, 4096):
        pass
