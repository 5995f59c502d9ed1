"""Bounds the share of a worker's time that following files takes, whatever the file system and the size of the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.05  # at most this part of the time
Clock = Callable[[], float]


class Pace:
    """After work that took t seconds there is none for 19 t."""

    def __init__(self, clock: Clock = time.monotonic, share: float = SHARE) -> None:
        self._clock, self._share = clock, share
        self._until = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether there may be work now."""
        return self._clock() >= self._until

    @contextmanager
    def work(self) -> Iterator[None]:
        """Time what is done inside."""
        began = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._until = ended + (ended - began) * (1 / self._share - 1)
