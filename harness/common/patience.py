"""A file operation -> the same operation, repeated while the shared folder does not respond.

A server that is restarted, or a network that is down for a moment, gives ESTALE, EIO or a time-out for each call: none of them
says anything about the run. So every operation on the results folder is repeated, after growing pauses, until it succeeds, fails
for another reason, or has failed for longer than this process is willing to wait: minutes in a worker, whose training would
have to be resumed, seconds in a command at which someone looks, and seconds after a stop request.

Each operation must be safe to repeat: the reply may have been lost after the server had done it.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.common import results_root
from harness.errors import Interrupted, StoreError

TRANSIENT = frozenset(
    {
        *(errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EAGAIN, errno.ENODEV),
        *(errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ESHUTDOWN),  # FUSE: its server died
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and start again, finished runs and checkpoints are kept",
    errno.EDQUOT: "your quota is used up; free some space and start again, finished runs and checkpoints are kept",
    errno.EACCES: "this user has no access; change the permissions, or choose another folder with --results",
    errno.EPERM: "not permitted; change the permissions, or choose another folder with --results",
    errno.EROFS: "the file system is read-only; choose another folder with --results",
    errno.ENOTDIR: "a parent in the path is a file; move it, or choose another folder with --results",
    errno.ELOOP: "a parent in the path is a link that leads back to itself; remove it, or choose another folder with --results",
    **dict.fromkeys(TRANSIENT, "the disk or the shared folder does not respond; finished runs and checkpoints are kept"),
}

COMMAND_S, WORKER_S = 10.0, 300.0  # longest wait for one operation
STOP_S = 3.0  # of a process that was asked to stop
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
SLICE_S = 0.1  # longest delay until a stop request is noticed

ResultT = TypeVar("ResultT")
_jitter = random.Random()  # its own: the state of the global one belongs to the training


@dataclass(frozen=True)
class _Patience:
    """How long this process waits for one operation, in seconds, and whether it was asked to stop."""

    limit_s: float
    stopped: Callable[[], bool]


_patience = _Patience(COMMAND_S, lambda: False)
_stderr: int | None = None  # None: sys.stderr
_inside = threading.local()  # `.repeat`: whether this thread is inside `repeat`


@contextmanager
def waiting_up_to(limit_s: float, stopped: Callable[[], bool] | None = None) -> Iterator[None]:
    """Inside, an operation is repeated for `limit_s` seconds, and for `STOP_S` once `stopped` returns true."""
    global _patience  # noqa: PLW0603 - one for the process: whoever reads a file need not know how long its caller waits
    before, _patience = _patience, _Patience(limit_s, stopped or _patience.stopped)
    try:
        yield
    finally:
        _patience = before


@contextmanager
def saying_on(descriptor: int) -> Iterator[None]:
    """Inside, messages go to this file descriptor: stderr itself while a run prints to its log, which may not respond either."""
    global _stderr  # noqa: PLW0603 - one for the process
    before, _stderr = _stderr, descriptor
    try:
        yield
    finally:
        _stderr = before


@contextmanager
def interrupted_past_it() -> Iterator[None]:
    """Inside, a folder that does not respond for longer than that interrupts the command: Interrupted instead of StoreError."""
    try:
        yield
    except StoreError as error:
        if is_transient(error):
            raise Interrupted(f"{error}; the same command continues") from error
        raise


@contextmanager
def without_waiting() -> Iterator[None]:
    """Inside, operations of this thread are tried once: for heartbeats, which have their own rhythm."""
    before, _inside.repeat = _is_inside(), True
    try:
        yield
    finally:
        _inside.repeat = before


def repeat(path: Path, operation: Callable[[], ResultT], limit_s: float | None = None, *, silent: bool = False) -> ResultT:
    """`operation()` on `path`, repeated while its file system does not respond, or its results folder is away.

    `limit_s`: at most this long; `silent`: without saying so. Only the outermost of nested calls waits. Raises the last OSError
    or StoreError of `operation`; StoreError if the folder is away.
    """
    if _is_inside():
        try:
            return operation()
        except (FileNotFoundError, NotADirectoryError) as error:
            if (away := _away(path, error)) is None:
                raise
            raise away from error
    _inside.repeat = True
    try:
        try:
            return operation()
        except (OSError, StoreError) as error:
            if not _may_pass(path, error):
                raise
            first = error
        limit_s = _patience.limit_s if limit_s is None else min(limit_s, _patience.limit_s)
        return _until_answered(path, operation, first, limit_s, _silence if silent else _say)
    finally:
        _inside.repeat = False


def answered(path: Path, operation: Callable[[], ResultT], what: str = "be read") -> ResultT:
    """`repeat`, but StoreError if the folder never responds: `path` cannot `what`. Other OSErrors are raised as they are."""
    try:
        return repeat(path, operation)
    except OSError as error:
        if is_transient(error):
            raise unusable(path, what, error) from error
        raise


def performed(path: Path, operation: Callable[[], ResultT], what: str = "be read") -> ResultT:
    """`repeat`, but StoreError instead of OSError: `path` cannot `what`. Raises FileNotFoundError as it is."""
    try:
        return repeat(path, operation)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(path, what, error) from error


def unusable(path: Path, what: str, error: OSError) -> StoreError:
    """`error` as a StoreError: which file, what failed, what to do."""
    advice = ADVICE.get(error.errno or 0, "fix the cause and start again, finished runs and checkpoints are kept")
    return StoreError(f"{path}: cannot {what}: {os.strerror(error.errno) if error.errno else error}: {advice}")


def is_transient(error: BaseException) -> bool:
    """Whether it is, or was caused by, an error that may pass."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in TRANSIENT


def _may_pass(path: Path, error: OSError | StoreError) -> bool:
    if is_transient(error):
        return True
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, FileNotFoundError | NotADirectoryError) and results_root.may_be_away(path)


def _until_answered(
    path: Path, operation: Callable[[], ResultT], error: OSError | StoreError, limit_s: float, say: Callable[[str], None]
) -> ResultT:
    """Repeat `operation`, which has failed with `error`."""
    began, pause_s, where = time.monotonic(), FIRST_PAUSE_S, results_root.root_of(path) or path
    if limit_s > 0:
        say(f"{where}: does not respond ({_reason(error)}); waiting up to {limit_s:.0f} s")
    while time.monotonic() - began < limit_s and _pause(pause_s * _jitter.uniform(0.75, 1.25), began):
        try:
            result = operation()
        except (OSError, StoreError) as again:
            if not _may_pass(path, again):
                raise
            error = again
        else:
            say(f"{where}: responds again after {time.monotonic() - began:.1f} s")
            return result
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S, max(FIRST_PAUSE_S, began + limit_s - time.monotonic()))
    if (away := _away(path, error)) is None:
        raise error
    raise away from (error if isinstance(error, OSError) else error.__cause__)


def _away(path: Path, error: OSError | StoreError) -> StoreError | None:
    """What to raise instead of `error` if it says that a file is missing because its results folder is; None: it is not."""
    if is_transient(error) or not results_root.may_be_away(path):
        return None
    advice = "put it back and start again, or name its new place with --results"
    kept = "finished runs and checkpoints are kept in it"
    return StoreError(f"{results_root.root_of(path)}: was moved or unmounted; {kept}: {advice}")


def _pause(seconds: float, began: float) -> bool:
    """Sleep; false if the process was asked to stop and has waited for long enough."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if _patience.stopped() and time.monotonic() - began >= STOP_S:
            return False
        time.sleep(min(left, SLICE_S))
    return True


def _reason(error: OSError | StoreError) -> str:
    cause = error if isinstance(error, OSError) else error.__cause__
    assert isinstance(cause, OSError)
    return os.strerror(cause.errno) if cause.errno else str(cause)


def _is_inside() -> bool:
    return getattr(_inside, "repeat", False)


def _silence(_text: str) -> None:
    pass


def _say(text: str) -> None:
    with suppress(OSError, StoreError, ValueError):  # stderr may be a file in that folder
        if _stderr is not None:
            os.write(_stderr, f"{text}\n".encode())
        else:
            print(text, file=sys.stderr, flush=True)
