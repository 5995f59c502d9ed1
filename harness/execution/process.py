"""Threads and output of the process that trains."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from harness.store import atomic

SPIN_COUNT = "10000"


def use_threads(count: int | None) -> None:
    """Compute with `count` threads from now on: through the environment, and through torch if it is loaded already.

    OpenMP threads that wait for each other poll 10,000 times, then sleep: GCC's much longer default takes CPU time from the
    thread that they wait for as soon as the machine has other work.
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
    """Redirect Python's output and descriptors 1 and 2 (C libraries, crash reports) to `log`.

    Raises StoreError if `log` cannot be written.
    """
    try:
        with log.open("a", buffering=1, errors="backslashreplace") as stream:
            saved = [(number, os.dup(number)) for number in (1, 2)]
            try:
                for number, _ in saved:
                    os.dup2(stream.fileno(), number)
                with redirect_stdout(stream), redirect_stderr(stream):
                    yield
            finally:
                for number, copy in saved:
                    os.dup2(copy, number)
                    os.close(copy)
    except OSError as error:
        if isinstance(error.filename, str) and error.filename != str(log):  # of another file
            raise atomic.unusable(Path(error.filename), "be used", error) from error
        raise atomic.unusable(log, "be written", error) from error
