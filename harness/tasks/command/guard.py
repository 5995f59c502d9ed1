"""Runs a program that must not outlive its worker, and ends all processes that it started. Started as a script.

    python -I -S guard.py GRACE_S STATUS_FD SCRATCH PROGRAM ARGUMENT...

When standard input ends, because the worker closes it or was killed, the program's process group gets SIGTERM and after GRACE_S
seconds SIGKILL, with all its descendants. At the end `ended <code> <processes left behind>` is written to STATUS_FD (a negative
code is a signal), or `error <errno>` if the program could not be started. SCRATCH is a folder to remove. Imports only the
standard library, so that it starts in milliseconds.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

LINGER_S = 2.0  # for processes that are still running when the program has ended
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run the program; see above."""
    grace_s, status, scratch, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    control(SET_CHILD_SUBREAPER, 1)  # orphans of the program become children of this process
    wake_reading, wake_writing = os.pipe()
    os.set_blocking(wake_reading, False)
    os.set_blocking(wake_writing, False)
    signal.set_wakeup_fd(wake_writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the program would inherit
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_parent)  # noqa: PLW1509
    except OSError as error:
        os.write(status, f"error {error.errno}\n".encode())
        return
    # Only the program holds the output pipe, so that the pipe ends with it.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    watched = [0, wake_reading]
    deadline = None  # of the grace period
    while process.poll() is None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if wake_reading in ready:
            drain(wake_reading)
        if 0 in ready and not os.read(0, 4096):
            watched.remove(0)
            deadline = time.monotonic() + grace_s
            signal_group(process.pid, signal.SIGTERM)
        elif deadline is not None and time.monotonic() >= deadline:
            break
    lingering_s = LINGER_S if deadline is None else max(0.0, deadline - time.monotonic())
    left_behind = end_remaining(process, lingering_s, ended_by_itself=deadline is None)
    shutil.rmtree(scratch, ignore_errors=True)
    os.write(status, f"ended {process.returncode} {left_behind}\n".encode())


def end_remaining(process: "subprocess.Popen[bytes]", seconds: float, ended_by_itself: bool) -> int:
    """Wait up to `seconds` for remaining processes, then kill them; the number killed after the program ended by itself."""
    until = time.monotonic() + seconds
    while (children() or process.poll() is None) and time.monotonic() < until:
        reap(process)
        time.sleep(0.02)
    killed, give_up = 0, time.monotonic() + LINGER_S
    while time.monotonic() < give_up:
        reap(process)
        if process.poll() is None:
            signal_group(process.pid, signal.SIGKILL)
        rest = [pid for pid in children() if pid != process.pid]
        if not rest and process.poll() is not None:
            break
        for pid in rest:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # just ended, or of another user
            killed += 1
        time.sleep(0.005)
    return killed if ended_by_itself else 0


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Reap children that have ended, except the program itself, whose exit code is read elsewhere."""
    process.poll()
    for pid in children():
        if pid != process.pid:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def children() -> "list[int]":
    """This process's children."""
    me, found = str(os.getpid()), []
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib takes longer to import than all else
        return []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[1].decode() == me:
                found.append(int(name))
    return found


def signal_group(group: int, number: int) -> None:
    """Signal a process group, which may have ended."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def drain(descriptor: int) -> None:
    """Empty a non-blocking pipe."""
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return


def die_with_parent() -> None:
    """Run in the program before exec: the kernel will kill it when this process ends."""
    control(SET_PDEATHSIG, signal.SIGKILL)


def control(option: int, value: int) -> None:
    """prctl(2), on Linux; elsewhere a killed guard leaves its program running."""
    if sys.platform == "linux":
        LIBC.prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
