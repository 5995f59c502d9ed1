"""Threads and output of the process that trains."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from harness.common import patience
from harness.common.patience import is_transient, repeat, unusable
from harness.errors import StoreError
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

    Python's output waits while the shared folder does not respond: a line that cannot be printed is not the training's fault.
    Raises StoreError if `log` cannot be written.
    """
    try:
        with _Log(log) as raw:
            saved = [(number, os.dup(number)) for number in (1, 2)]
            try:
                stderr = saved[1][1]
                for number, _ in saved:
                    os.dup2(raw.fileno(), number)
                stream = io.TextIOWrapper(io.BufferedWriter(raw), errors="backslashreplace", line_buffering=True)
                try:
                    with redirect_stdout(stream), redirect_stderr(stream), patience.saying_on(stderr):
                        yield
                finally:
                    stream.flush()
            finally:
                for number, copy in saved:
                    os.dup2(copy, number)
                    os.close(copy)
    except OSError as error:
        if isinstance(error.filename, str) and error.filename != str(log):  # of another file
            raise atomic.unusable(Path(error.filename), "be used", error) from error
        raise atomic.unusable(log, "be written", error) from error


class _Log(io.RawIOBase):
    """A log that is appended to. It is opened again when its descriptor has become stale."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._descriptor = -1  # `close` is called even if it cannot be opened
        self._descriptor = repeat(path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666))
        self._lost = False  # the shared folder did not respond for so long that the run was given up

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """Append some of `data`; returns how much. Raises OSError; StoreError if the shared folder does not respond."""
        if self._lost:
            return len(data)
        try:
            return repeat(self._path, lambda: self._append(data))
        except (OSError, StoreError) as error:
            self._lost = is_transient(error)
            if self._lost and isinstance(error, OSError):
                raise unusable(self._path, "be written", error) from error
            raise

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            super().close()
            with suppress(OSError):  # every line was written before
                os.close(self._descriptor)

    def _append(self, data: Any) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if is_transient(error):
                self._reopen()
            raise

    def _reopen(self) -> None:
        again = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            for number in (self._descriptor, 1, 2):
                os.dup2(again, number, inheritable=number in (1, 2))
        finally:
            os.close(again)
