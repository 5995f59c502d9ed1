"""Reading a folder that may not respond for a while: paths -> names, status, content; each call waits as `patience` says.

For files of the results folder, and for those that programs write there.
"""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from harness.common.patience import answered, is_transient, performed, repeat, unusable

ResultT = TypeVar("ResultT")


def read_bytes(path: Path) -> bytes:
    """The content of `path`. Raises FileNotFoundError, StoreError."""
    return read_with_status(path)[0]


def read_with_status(path: Path) -> tuple[bytes, os.stat_result]:
    """The content of `path`, and its size and time. Raises FileNotFoundError, StoreError."""
    return performed(path, lambda: _read(path))


def read_start(path: Path, size: int) -> bytes:
    """The first `size` bytes of `path`, a page at most, in as few calls as possible. Raises FileNotFoundError, StoreError."""
    return performed(path, lambda: _read_start_once(path, size))


def names(folder: Path) -> list[str]:
    """The names in `folder`, in no order; none if it does not exist. Raises StoreError."""
    try:
        return performed(folder, lambda: os.listdir(folder))  # noqa: PTH208 - one object a name would be made for nothing
    except FileNotFoundError:
        return []


def status(path: Path) -> os.stat_result | None:
    """Size, time and inode of `path`, links followed; None if it does not exist. Raises StoreError."""
    try:
        return repeat(path, path.stat)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unusable(path, "be read", error) from error


def exists(path: Path) -> bool:
    """Whether `path` exists. Raises StoreError."""
    return status(path) is not None


def is_file(path: Path) -> bool:
    """Whether `path` is a file or a link to one. Raises StoreError."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder or a link to one. Raises StoreError."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def matches(folder: Path, pattern: str) -> list[Path]:
    """The paths below `folder` that match a pattern of names such as `*/spec.json`, sorted. Raises StoreError."""
    head, _, rest = pattern.partition("/")
    found = (
        [folder / name for name in sorted(names(folder)) if fnmatch.fnmatchcase(name, head)]
        if _is_pattern(head)
        else [folder / head]
    )
    if rest:
        return [path for inner in found if is_folder(inner) for path in matches(inner, rest)]
    return found if _is_pattern(head) else [path for path in found if exists(path)]


class SharedFile(io.RawIOBase):
    """A file that is open for reading, in which a failure of the shared folder loses no position.

    It is opened again when its descriptor has become stale; FileNotFoundError: there is another file of its name by then.
    Raises StoreError if the folder does not respond, else OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._descriptor = -1  # in case that it cannot be opened
        self._inode: int | None = None
        self._descriptor = answered(path, lambda: _open(path))
        self._inode = self.status().st_ino

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Its descriptor."""
        return self._descriptor

    def status(self) -> os.stat_result:
        """Size and time of the open file."""
        return answered(self.path, lambda: self._again(lambda: os.fstat(self._descriptor)))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; returns it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset}.get(whence)
        self._offset = (self.status().st_size if start is None else start) + offset
        return self._offset

    def tell(self) -> int:
        """The place."""
        return self._offset

    def readinto(self, buffer: Any) -> int:
        """Read at the place; returns the number of bytes, 0 at the end."""
        data = answered(self.path, lambda: self._again(lambda: os.pread(self._descriptor, len(buffer), self._offset)))
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            super().close()
            if self._descriptor >= 0:
                with suppress(OSError):  # nothing was written
                    os.close(self._descriptor)

    def _again(self, operation: Callable[[], ResultT]) -> ResultT:
        """`operation` on the descriptor; if that may be stale, the next one is on another."""
        try:
            return operation()
        except OSError as error:
            if is_transient(error):
                self._reopen()
            raise

    def _reopen(self) -> None:
        descriptor = _open(self.path)
        try:
            if self._inode not in (None, os.fstat(descriptor).st_ino):
                raise FileNotFoundError(errno.ENOENT, "was replaced", str(self.path))
            os.dup2(descriptor, self._descriptor, inheritable=False)
        finally:
            os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        return _read_once(path)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    return _read_once(path)  # another machine replaced the file while it was read: open the new one


def _read_once(path: Path) -> tuple[bytes, os.stat_result]:
    # As few calls as possible, since each may be a request to a file server.
    descriptor = _open(path)
    try:
        file = os.fstat(descriptor)
        parts = []
        while part := os.read(descriptor, max(file.st_size + 1, 4096)):
            parts.append(part)
            if len(part) == file.st_size:
                break
        return b"".join(parts), file
    finally:
        os.close(descriptor)


def _read_start_once(path: Path, size: int) -> bytes:
    descriptor = _open(path)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")
