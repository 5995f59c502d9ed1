"""Temporary files, under which a `Fence` makes writing safe against a writer that was paused and replaced meanwhile.

A temporary file carries the number of its lease in its name and is checked *after* it exists and *before* it is renamed. The new
holder first takes the lease, then deletes lower-numbered temporary files. So the late rename of a replaced writer always fails:
its temporary file is gone. Nothing here is repeated: `harness.store.atomic` repeats whole steps, each with a new temporary file,
as a file whose fsync has failed once cannot be trusted after another one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from harness.common.patience import repeat
from harness.errors import StoreError

Writer = Callable[[int, memoryview], int]

TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{16}\.tmp")
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)  # of link(2), by file system


class Fence(Protocol):
    """The right to write until another holder takes over."""

    @property
    def number(self) -> int:
        """Increases with every holder; part of the names of temporary files."""

    def check(self) -> None:
        """Raise an error if a later holder exists."""


def written(path: Path, data: bytes | memoryview, fence: Fence | None, write: Writer, *, durable: bool = True) -> Path:
    """A new temporary file with `data` beside `path`, if `durable` on the disk. Raises OSError and what `fence.check` raises."""
    temporary = path.with_name(f".{path.name}.{fence.number if fence else 0}.{secrets.token_hex(8)}.tmp")
    try:
        _write_whole(temporary, data, write, durable=durable)
        if fence is not None:
            fence.check()
    except BaseException:
        discard(temporary)
        raise
    return temporary


def discard(temporary: Path) -> None:
    """Remove it. Raises nothing."""
    # If it cannot be removed, it is left as those of killed processes are: the reason to stop is another one.
    with suppress(OSError, StoreError):
        repeat(temporary, lambda: temporary.unlink(missing_ok=True))


def link(temporary: Path, path: Path, *, durable: bool = True) -> bool:
    """Give the temporary file the name `path` unless that exists; whether it has it. Raises OSError, StoreError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # If a reply was lost, the link was made and is made again: then the existing file is ours.
        if temporary.stat().st_nlink != 2:
            return False
    except OSError as error:
        if error.errno in NO_LINKS:
            advice = "results need a POSIX file system; choose another folder with --results"
            raise StoreError(f"{path.parent}: this file system has no hard links ({error.strerror}); {advice}") from error
        raise
    if durable:
        flush_folder(path.parent)
    return True


def flush_folder(folder: Path) -> None:
    """Wait until the names in it are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(path: Path, data: bytes | memoryview, write: Writer, *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[write(descriptor, remaining) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
