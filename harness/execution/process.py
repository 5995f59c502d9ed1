"""The process that trains: with how many threads it computes, and where its output goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from harness.store import atomic

SPIN_COUNT = "10000"


def use_threads(count: int | None) -> None:
    """Compute with `count` threads from now on: libraries read the environment when they load, torch is told when it is there.

    Threads that wait for one another look ten thousand times, then sleep. By default they go on looking for long, which takes the
    processor from the one that is waited for as soon as there is other work.
    """
    if count is None:
        return
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """What Python prints, and descriptors 1 and 2, go to `log` meanwhile: C libraries and crash reports land there too.

    Raises StoreError where `log` cannot be written.
    """
    try:
        with log.open("a", buffering=1, errors="backslashreplace") as stream:
            kept = [(number, os.dup(number)) for number in (1, 2)]
            try:
                for number, _ in kept:
                    os.dup2(stream.fileno(), number)
                with redirect_stdout(stream), redirect_stderr(stream):
                    yield
            finally:
                for number, copy in kept:
                    os.dup2(copy, number)
                    os.close(copy)
    except OSError as error:
        if isinstance(error.filename, str) and error.filename != str(log):  # another one's
            raise atomic.unusable(Path(error.filename), "be used", error) from error
        raise atomic.unusable(log, "be written", error) from error
