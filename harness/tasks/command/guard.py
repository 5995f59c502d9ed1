"""Runs programs that must not outlive their worker, one after another, and ends all processes that they start. A script.

    python -I -S guard.py

Standard input is a socket to the worker. A message is its length (4 bytes, big-endian) and as many bytes. One that is not empty
starts a program: grace period [s], scratch folder, working directory, number of arguments, arguments and `NAME=VALUE` variables,
with NUL between them; with it comes the descriptor for the program's output. An empty message stops the program, and so does the
end of the socket, when the worker closes it or was killed: the program's process group gets SIGTERM and after the grace period
SIGKILL, with all its descendants; a second empty message ends the grace period. At the program's end the guard writes
`ended <code> <processes left behind> <none remains: 1>` (a negative code is a signal), or `error <errno>` if it could not be
started. The worker removes the scratch folder, or if it was killed, the guard.

Imports little, and only of the standard library: every worker of programs starts it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

LINGER_S = 2.0  # for processes that are still running when the program has ended
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None, use_errno=True)
HEADER = 4  # bytes of the length of a message


def main() -> None:
    """Run programs until the worker has ended; see above."""
    control(SET_CHILD_SUBREAPER, 1)  # orphans of the program become children of this process
    woken, wake_writing = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake_writing, False)
    signal.set_wakeup_fd(wake_writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the program would inherit
    worker, scratch = socket.socket(fileno=0), b""
    try:
        while True:
            message, output = received(worker)
            if message:
                grace_s, scratch, *rest = message.split(b"\0")
                worker.sendall(answer(worker, woken, float(grace_s), rest, output))
    except (EOFError, ConnectionError):  # the worker has ended
        remove(scratch)


def answer(worker: socket.socket, woken: int, grace_s: float, start: list[bytes], output: int) -> bytes:
    """Run a program to its end; what to tell the worker. `start`: the message from the working directory on."""
    directory, count, *rest = start
    arguments, variables = rest[: int(count)], rest[int(count) :]
    environment = {name: value for name, _, value in (each.partition(b"=") for each in variables)}
    try:
        program = Program(arguments, directory, environment, output)
    except OSError as error:
        return f"error {error.errno}\n".encode()
    finally:
        os.close(output)  # only the program holds the output pipe, so that the pipe ends with it
    stopped = program.wait(worker, woken, grace_s)
    killed = program.kill_remaining()
    none_remains = not program.reap()
    code = -signal.SIGKILL if program.code is None else program.code  # if it waits for a device, it ends by this signal then
    return f"ended {code} {0 if stopped else killed} {int(none_remains)}\n".encode()


class Program:
    """A program that was started. `code` is its exit code, None while it runs."""

    def __init__(self, arguments: list[bytes], directory: bytes, environment: dict[bytes, bytes], output: int) -> None:
        """Start it, in a session of its own. Raises OSError."""
        guard = os.getpid()

        def die_with_guard() -> None:  # in the program before exec: the kernel will kill it when this process ends
            control(SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os.kill(os.getpid(), signal.SIGKILL)

        self._process = subprocess.Popen(
            arguments,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_guard,  # noqa: PLW1509
        )
        self.pid = self._process.pid
        self.code: int | None = None

    def reap(self) -> bool:
        """Reap the children of this process that have ended; whether there are others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.pid and self.code is None:
                self.code = self._process.returncode = os.waitstatus_to_exitcode(status)

    def wait(self, worker: socket.socket, woken: int, grace_s: float) -> bool:
        """Wait until it and all its descendants have ended, of which SIGCHLD informs; whether the worker requested the end.

        Then at most the grace period, unless the worker requests it again; after an end by itself, `LINGER_S` for the others.
        """
        watched: list[socket.socket | int] = [worker, woken]
        stopped, deadline = False, None
        while self.reap():
            if self.code is not None and deadline is None:
                deadline = time.monotonic() + LINGER_S
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            ready, _, _ = select.select(watched, [], [], left)
            if woken in ready:
                drain(woken)
            if worker in ready:
                requested = True
                try:
                    received(worker)
                except (EOFError, ConnectionError):  # the worker has ended; the next reading says so again
                    watched.remove(worker)
                    requested = False
                if stopped and requested:
                    deadline = time.monotonic()
                elif self.code is None and not stopped:
                    stopped, deadline = True, time.monotonic() + grace_s
                    self.signal_group(signal.SIGTERM)
        return stopped

    def signal_group(self, number: int) -> None:
        """Signal its process group."""
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or is of another user
            os.killpg(self.pid, number)

    def kill_remaining(self) -> int:
        """Kill it and all its descendants; the number of the latter."""
        killed: set[int] = set()
        give_up = time.monotonic() + LINGER_S
        while self.reap() and time.monotonic() < give_up:
            if self.code is None:
                self.signal_group(signal.SIGKILL)
            for pid in children():
                if pid == self.pid and self.code is None:
                    continue
                with suppress(ProcessLookupError, PermissionError):  # just ended, or of another user
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.005)
        return len(killed)


def received(worker: socket.socket) -> tuple[bytes, int]:
    """The next message, and the descriptor that came with it (-1 with an empty one). Raises EOFError after the last one."""
    head, descriptors, _, _ = socket.recv_fds(worker, HEADER, 1)
    head += rest_of(worker, HEADER - len(head))
    return rest_of(worker, int.from_bytes(head, "big")), descriptors[0] if descriptors else -1


def rest_of(worker: socket.socket, size: int) -> bytes:
    """So many bytes of a message. Raises EOFError if there are fewer."""
    data = bytearray()
    while len(data) < size:
        part = worker.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def children() -> list[int]:
    """This process's children."""
    me, found = str(os.getpid()), []
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib takes longer to import than all else
        return []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended, or is of another user, which some systems hide
                continue
            if fields[1].decode() == me:
                found.append(int(name))
    return found


def drain(descriptor: int) -> None:
    """Empty a non-blocking pipe."""
    with suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            pass


def remove(folder: bytes) -> None:
    """Remove a scratch folder, which a worker that ended by itself has removed already."""
    if folder and os.path.isdir(folder):  # noqa: PTH112
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def control(option: int, value: int) -> None:
    """prctl(2), on Linux; elsewhere a killed guard leaves its program running."""
    if sys.platform == "linux":
        LIBC.prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
