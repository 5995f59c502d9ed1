"""Leases on the GPUs of this machine, so that two harness commands do not take the same ones: locks on files in a common folder.

The lock of a GPU is exclusive, or shared by several runs, each of which then holds one of the places. A lock belongs to an open
file: child processes that inherit it hold it too, and it ends with the last of them, however they end. Nothing is written, so a
file that another user has made is as good as one's own.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
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

    def holders(self, gpus: Iterable[Gpu], proc: Path = Path("/proc")) -> dict[Gpu, list[str]]:
        """GPU -> the processes that hold it, as far as this user may know: their numbers and commands. Free ones are left out."""
        files = {gpu: self._file(gpu) for gpu in gpus}
        existing = [path for path in files.values() if path.exists()]
        found = _with_locks(existing, proc)
        # A lock outlives the process that took it in those that inherited it, which the kernel does not list.
        found |= _with_files([path for path in existing if not found.get(path)], proc)
        return {gpu: [_described(pid, proc) for pid in sorted(found[path])] for gpu, path in files.items() if found.get(path)}

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


def _with_locks(paths: Sequence[Path], proc: Path) -> dict[Path, set[int]]:
    """File -> the other living processes, of any user, that the kernel lists as having locked it."""
    places: dict[str, Path] = {}
    for path in paths:
        status = path.stat()
        places[f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"] = path
    found: dict[Path, set[int]] = {}
    with suppress(OSError):
        for line in (proc / "locks").read_text().splitlines():
            words = line.split()  # 1: FLOCK ADVISORY WRITE 4711 08:01:2097 0 EOF
            if len(words) == 8 and words[1] == "FLOCK" and words[5] in places and _is_another(proc / words[4]):
                found.setdefault(places[words[5]], set()).add(int(words[4]))
    return found


def _with_files(paths: Sequence[Path], proc: Path) -> dict[Path, set[int]]:
    """File -> the other processes of this user that have it open."""
    found: dict[Path, set[int]] = {}
    sought = {str(path.resolve()): path for path in paths}
    for folder in proc.iterdir() if sought else ():
        if folder.name.isdigit() and _is_another(folder):
            with suppress(OSError):  # it has ended, or it is another user's
                for entry in os.scandir(folder / "fd"):
                    with suppress(OSError):
                        path = sought.get(os.readlink(entry.path))  # noqa: PTH115 - of thousands of files
                        if path is not None:
                            found.setdefault(path, set()).add(int(folder.name))
    return found


def _is_another(process: Path) -> bool:
    return process.name != str(os.getpid()) and process.exists()


def _described(pid: int, proc: Path) -> str:
    """`process 4711 (python -m harness run …)`."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    line = " ".join(word.decode(errors="replace") for word in words if word)
    shown = line if len(line) <= LONGEST_COMMAND else f"{line[: LONGEST_COMMAND - 1]}…"
    return f"process {pid} ({shown})" if shown else f"process {pid}"
