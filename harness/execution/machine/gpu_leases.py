"""Leases on the GPUs of this machine, so that two harness commands do not take the same ones: locks on files in a common folder.

The lock of a GPU is exclusive, or shared by several runs, each of which then holds one of the places. A lock belongs to an open
file: child processes that inherit it hold it too, and it ends with the last of them, however they end. Nothing is written, so a
file that another user has made is as good as one's own.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from harness.execution.machine.gpus import Gpu

VARIABLE = "HARNESS_GPU_LOCKS"
FOLDERS = (Path("/run/lock"), Path("/tmp"))  # the first is not emptied by age, but not everywhere writable for all
FOR_ALL = 0o1777
LONGEST_COMMAND = 60  # characters shown of a holder's


def lease_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where all users of this machine keep their leases."""
    if chosen := environment.get(VARIABLE):
        return Path(chosen)
    return next((folder for folder in FOLDERS if _is_for_all(folder)), FOLDERS[-1]) / "harness-gpus"


def _is_for_all(folder: Path) -> bool:
    try:
        return stat.S_IMODE(folder.stat().st_mode) == FOR_ALL
    except OSError:
        return False


class GpuLeases:
    """The leases in `folder`, which is made if it is missing. Raises OSError if that fails, and from each method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            folder.chmod(FOR_ALL)  # whatever the umask

    def take(self, gpu: Gpu) -> int | None:
        """The open file that holds the whole GPU; None: somebody uses it."""
        return self._lock(self._file(gpu), fcntl.LOCK_EX)

    def share(self, gpu: Gpu, places: int) -> tuple[int, int] | None:
        """The open files that hold one of so many places on the GPU; None: somebody uses all of it, or all places."""
        whole = self._lock(self._file(gpu), fcntl.LOCK_SH)
        if whole is None:
            return None
        for number in range(places):
            place = self._lock(self._file(gpu, f".{number}"), fcntl.LOCK_EX)
            if place is not None:
                return whole, place
        os.close(whole)
        return None

    def holders(self, gpu: Gpu, proc: Path = Path("/proc")) -> list[str]:
        """The processes that hold the GPU, as far as this user may know: their numbers and commands."""
        path = self._file(gpu)
        try:
            found = path.stat()
        except FileNotFoundError:
            return []
        pids = sorted({*_with_lock(found, proc), *_with_file(path, found, proc)} - {os.getpid()})
        commands = {pid: _command(pid, proc) for pid in pids}
        return [f"process {pid}" + (f" ({command})" if command else "") for pid, command in commands.items()]

    def _file(self, gpu: Gpu, place: str = "") -> Path:
        return self.folder / f"{gpu.identity.replace('/', '_')}{place}"

    @staticmethod
    def _lock(path: Path, kind: int) -> int | None:
        file = _open(path)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file


def _open(path: Path) -> int:
    """Open for reading, which suffices for a lock and which every user may; made first if it is missing."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileNotFoundError):
        return os.open(path, flags)
    # Without O_EXCL Linux refuses O_CREAT for a file of another user in a folder like /tmp.
    with suppress(FileExistsError):
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
        os.fchmod(file, 0o644)
        return file
    return os.open(path, flags)


def _with_lock(found: os.stat_result, proc: Path) -> Iterator[int]:
    """Processes that took a lock on a file, of any user. A lock that outlives the process that took it keeps its number."""
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with suppress(OSError):
        for line in (proc / "locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and place in words:
                pid = int(words[words.index(place) - 1])
                if (proc / str(pid)).exists():
                    yield pid


def _with_file(path: Path, found: os.stat_result, proc: Path) -> Iterator[int]:
    """Processes of this user that have the file open."""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended, or it is another user's
                for link in (folder / "fd").iterdir():
                    if link.readlink() == path.resolve() and os.path.samestat(link.stat(), found):
                        yield int(folder.name)
                        break


def _command(pid: int, proc: Path) -> str:
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    line = " ".join(word.decode(errors="replace") for word in words if word)
    return line if len(line) <= LONGEST_COMMAND else line[: LONGEST_COMMAND - 1] + "…"
