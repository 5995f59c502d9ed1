"""A folder or files -> a state: while it is the same, git would say the same about them, and need not run again.

A state is what identifies the files that git reads: a repository's HEAD, refs, index and configuration, or the given files. Git
replaces its own files by new ones, and every change of a file changes its times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

SETTLED_NS = 2_000_000_000  # what changed more recently may change again within the time resolution of the file system
DEEPEST = 5  # refs that name refs
Stamp = tuple[int, ...]  # device, inode, mode, size, time of modification and of change [ns]; empty for a missing file
State = tuple[Stamp, ...]


def of_repository(folder: Path) -> State | None:
    """The state of the repository that `folder` is in; None if it is in none."""
    place = Path(os.path.realpath(folder))
    for entry in (each / ".git" for each in (place, *place.parents)):
        own = _named(entry, "gitdir:") or entry  # a file in a submodule, and in a second working tree
        if (head := _text(own / "HEAD")) is not None:
            break
    else:
        return None
    common = _named(own / "commondir") or own
    files = [entry, own / "HEAD", own / "index", common / "packed-refs", common / "config"]
    files += [each / "reftable" / "tables.list" for each in (own, common)]
    for _ in range(DEEPEST):
        if head is None or not head.startswith("ref:"):
            break
        files.append(common / head.removeprefix("ref:").strip())
        head = _text(files[-1])
    return of_files(files)


def of_files(files: Iterable[Path]) -> State:
    """The state of files, missing ones included."""
    return tuple(map(_stamp, files))


def is_settled(*states: State) -> bool:
    """Whether all changes were long enough ago that further ones would give another state."""
    now = time.time_ns()
    return all(now - max(stamp[-2:]) > SETTLED_NS for state in states for stamp in state if stamp)


def _stamp(file: Path) -> Stamp:
    # Opened, because a network file system asks its server then.
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _named(file: Path, prefix: str = "") -> Path | None:
    """The folder that a file of git names, relative to its own; None without such a file."""
    text = _text(file)
    return file.parent / text.removeprefix(prefix).strip() if text is not None and text.startswith(prefix) else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="surrogateescape")
    except OSError:
        return None
