"""Signals, the parent's end and the clock -> whether to stop."""

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

LOOK_S = 0.2  # how late `wait` may notice
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class Stop:
    """Whether to stop: asked for by a signal, by the parent's end, or by the clock. A second SIGINT stops at once.

    A plain attribute says so, no threading.Event: a signal's handler runs in the middle of whatever the main thread does, and in
    the middle of Event.wait it would wait for ever for the lock that this very thread holds.
    """

    def __init__(self, after_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = False
        self._clock = clock
        self._deadline = math.inf if after_s is None else clock() + after_s

    def __call__(self) -> bool:
        return self._asked or self._clock() >= self._deadline

    def ask(self) -> None:
        """Stop at the next step."""
        self._asked = True

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or sooner when asked to stop."""
        end = time.monotonic() + seconds
        while not self() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_S, max(0.0, self._deadline - self._clock())))

    def on_signals(self) -> None:
        """Ask on SIGINT, SIGTERM, SIGUSR1, SIGUSR2: batch systems warn with any of them, libraries take one or another away."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._signalled)

    def with_parent(self) -> None:
        """Ask when standard input ends: the parent holds its other end, so even a killed parent is noticed."""
        threading.Thread(target=self._await_end_of_input, name="parent", daemon=True).start()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def _await_end_of_input(self) -> None:
        while os.read(0, 4096):
            pass
        self._asked = True


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
        raise InputError(f"{text!r} is no duration; allowed: 90s, 10m, 3h50m, 1d or a number of seconds")
    return seconds
