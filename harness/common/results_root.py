"""Paths -> whether the results folder that holds them is still the one that this process opened.

A folder that was moved or unmounted must not be mistaken for an empty one, nor made anew on the bare mount point. Device and
inode identify it; as a file system that is mounted again may have another device number, so does the id in its marker file.
Nothing here waits: `harness.common.patience` does.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

MARKER = ".harness-folder.json"  # in the results folder; written by `harness.store.root`

_opened: dict[str, _Root] = {}  # absolute path -> what was there when this process opened it


@dataclass
class _Root:
    """A results folder as this process opened it."""

    place: tuple[int, int]  # device and inode
    id: str | None  # of its marker; None: it has none


def remember(root: Path) -> None:
    """From now on `root`, which exists, is the results folder of all paths below. Raises OSError."""
    _opened[os.path.abspath(root)] = _Root(_place(root), _marked(root))  # noqa: PTH100 - links are not followed


def forget(root: Path) -> None:
    """`root` is no longer the results folder of the paths below."""
    _opened.pop(os.path.abspath(root), None)  # noqa: PTH100 - links are not followed


def root_of(path: Path) -> Path | None:
    """The results folder that holds `path` or is it; None: this process has opened none above it."""
    # Strings, as this is called for every file that is missing.
    folder = os.path.abspath(path)  # noqa: PTH100 - links are not followed
    while folder not in _opened:
        if (above := os.path.dirname(folder)) == folder:  # noqa: PTH120
            return None
        folder = above
    return Path(folder)


def is_away(path: Path) -> bool:
    """Whether the results folder that holds `path` was moved, unmounted or replaced. Raises OSError if it does not respond."""
    root = root_of(path)
    if root is None:
        return False
    known = _opened[str(root)]
    try:
        place = _place(root)
        if place == known.place:
            return False
        if known.id is None or _marked(root) != known.id:
            return True
    except (FileNotFoundError, NotADirectoryError):
        return True
    known.place = place  # mounted again
    return False


def may_be_away(path: Path) -> bool:
    """`is_away`, or it does not respond."""
    try:
        return is_away(path)
    except OSError:
        return True


def create_folder(path: Path) -> None:
    """Create `path` and its missing parents, unless they belong to a results folder that is away. Raises OSError."""
    root = root_of(path)
    if root is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links are not followed
    if root in (absolute, absolute.parent) and is_away(path):  # deeper folders have a parent that is missing then
        raise FileNotFoundError(2, os.strerror(2), str(root))
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        if absolute in (root, root.parent):
            raise
        create_folder(path.parent)
        path.mkdir(exist_ok=True)


def _place(root: Path) -> tuple[int, int]:
    status = root.stat()
    return status.st_dev, status.st_ino


def _marked(root: Path) -> str | None:
    try:
        content = json.loads((root / MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content.get("id") if isinstance(content, dict) else None
