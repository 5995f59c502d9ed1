"""When to stop: on signals, when the parent process ends, or after a time limit. And the parser of durations."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from harness.errors import InputError

POLL_S = 0.2  # longest delay until `wait` notices a stop request
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


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
        while os.read(0, 4096):
            pass
        self._requested = True


def duration(text: str) -> float:
    """`3h50m`, `10m`, `90s`, `1d`, or a number of seconds, in seconds. Raises InputError."""
    match = DURATION.fullmatch(text.strip())
    if match and any(match.groups()):
        return sum(float(part or 0) * unit for part, unit in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise InputError(f"invalid duration {text!r}; expected 90s, 10m, 3h50m, 1d or a number of seconds")
    return seconds
