"""Starts programs through guard processes (guard.py), each of which runs one program after another for this process.

A guard is started for the first program and kept for the next ones. It ends with this process.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).resolve().with_name("guard.py")
HEADER = 4  # bytes of the length of a message, as in guard.py
END_S = 5.0  # for a guard to end: it gives up after two seconds itself


@dataclass(frozen=True)
class Start:
    """What a guard is to start. It removes the `scratch` folder if this process is killed."""

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    scratch: Path
    grace_s: float  # between SIGTERM and SIGKILL

    def message(self) -> bytes:
        """The message of guard.py. Raises ValueError for a NUL, which no program can be given."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        head = [str(self.grace_s), str(self.scratch), os.path.abspath(self.directory), str(len(self.arguments))]  # noqa: PTH100
        parts = [os.fsencode(part) for part in (*head, *self.arguments, *variables)]
        if any(b"\0" in part for part in parts):
            raise ValueError("embedded null byte")
        return b"\0".join(parts)


class Guard:
    """A guard process."""

    def __init__(self) -> None:
        """Start it, with nothing to run yet. Raises OSError."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            # In `/`, to keep no file system in use; in a session of its own, which Ctrl-C does not reach.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD)],
                cwd="/",
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        _all.append(self)

    def start(self, message: bytes, output: int) -> None:
        """Request the start of a program that writes to `output`, a descriptor. Raises OSError if the guard was killed."""
        data = len(message).to_bytes(HEADER, "big") + message
        sent = socket.send_fds(self._socket, [data], [output])
        self._socket.sendall(data[sent:])

    def stop(self) -> None:
        """Request the end of the program, again: at once. Without effect if it has ended, or the guard was killed."""
        with suppress(OSError):
            self._socket.sendall(bytes(HEADER))

    def answer(self, wait_s: float) -> str | None:
        """What it says of the program, empty if it was killed; None if it says nothing within `wait_s`."""
        if not self.has_answered(wait_s):
            return None
        try:
            return self._socket.recv(100).decode()
        except ConnectionError:
            return ""

    def has_answered(self, wait_s: float) -> bool:
        """Whether it says something within `wait_s`, or was killed."""
        return bool(select.select([self._socket], [], [], wait_s)[0])

    def keep(self) -> None:
        """Let the next program use it. All processes of the last one must have ended."""
        _idle.append(self)

    def end(self) -> None:
        """End it, and at once its program with all descendants."""
        self.stop()
        self.stop()
        self.abandon()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self.kill()

    def kill(self) -> None:
        """Kill it; the kernel kills a program that it still has, but not what that has started."""
        self.abandon()
        self._process.kill()
        self._process.wait()
        _all.remove(self)

    def abandon(self) -> None:
        """Close the socket only: the guard ends its program, then itself, once no process has it open."""
        self._socket.close()


_all: list[Guard] = []
_idle: list[Guard] = []


def boot() -> None:
    """Start the guard of the next program now, so that it is ready when the program is to start."""
    if not _idle:
        with suppress(OSError):  # which is reported where it is needed
            _idle.append(Guard())


def started(start: Start, output: int) -> Guard:
    """A guard that starts a program, which writes to the descriptor `output`. Raises OSError, ValueError."""
    message = start.message()
    while True:
        is_new = not _idle
        guard = Guard() if is_new else _idle.pop()
        try:
            guard.start(message, output)
        except BaseException as error:
            guard.kill()
            if is_new or not isinstance(error, OSError):  # else it was killed since its last program
                raise
        else:
            return guard


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().kill()


def _leave_to_parent() -> None:
    """In a forked process: else its parent's guards would not notice that the parent has ended."""
    _idle.clear()
    for guard in _all:
        guard.abandon()


os.register_at_fork(after_in_child=_leave_to_parent)
