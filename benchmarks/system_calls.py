"""A command -> the system calls that it and its threads make on one folder, in order: strace, and what its log says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OPTIONS = ("-f", "-y", "-ttt", "-s", "200", "-e", "signal=none", "-e", "trace=%file,%desc")
LINE = re.compile(r"(\d+) +(\d+\.\d+) (\w+)\((.*)")
DATA = frozenset(("read", "write", "pread64", "pwrite64", "readv", "writev"))  # their text is content, which may look like a path


@dataclass(frozen=True)
class Call:
    """One system call."""

    thread: int
    at: float  # seconds since 1970
    name: str  # such as openat
    path: str | None  # relative to the folder; None: elsewhere
    arguments: str


def traced(command: Sequence[str], log: Path) -> list[str]:
    """The command that runs `command` and writes its system calls to `log`: many times faster than without the filter."""
    return ["strace", "--seccomp-bpf", *OPTIONS, "-o", str(log), *command]


@contextmanager
def attached(pid: int, log: Path) -> Iterator[None]:
    """Write the system calls of all threads of a running process to `log` meanwhile."""
    command = ["strace", *OPTIONS, "-o", str(log), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        if "attached" not in (first := strace.stderr.readline()):
            raise RuntimeError(f"{' '.join(command)}: {first}")
        try:
            yield
        finally:
            strace.terminate()
            strace.communicate()


def calls(lines: Iterable[str], folder: Path) -> Iterator[Call]:
    """The calls in the log of strace on the folder and to stderr, in the order in which they began; `folder`: without links.

    A call counts when it begins: the line on which one that was interrupted by another thread is resumed does not.
    """
    name_of_folder = str(folder)
    inside = re.compile(rf'(["<]){re.escape(name_of_folder)}(?:/([^">]*))?[">]')
    for line in lines:
        if name_of_folder not in line and "write(2<" not in line:  # most lines: a process that starts reads much else
            continue
        match = LINE.match(line)
        if match is None or match[3] == "execve":  # its arguments are no access
            continue
        thread, at, name, arguments = match.groups()
        found = (one[2] or "." for one in inside.finditer(arguments) if one[1] == "<" or name not in DATA)
        yield Call(int(thread), float(at), name, next(found, None), arguments)


def read(log: Path, folder: Path) -> Iterator[Call]:
    """`calls` of a file."""
    with log.open(errors="replace") as file:
        yield from calls(file, folder.resolve())


def require_strace() -> None:
    """Exit with what to install if strace is missing."""
    try:
        subprocess.run(["strace", "-V"], check=True, capture_output=True)
    except FileNotFoundError:
        sys.exit("this benchmark counts system calls with strace, which is not installed: apt-get install strace")
