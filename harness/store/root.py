"""The results folder itself: opened, marked, and checked before anything is taken or finished in it.

Only a command that begins work creates it. Everything later creates folders below it only while it is still there, and still the
same (`harness.common.results_root`): the process waits for a folder that was moved or unmounted; it never creates another one.
"""

from __future__ import annotations

import errno
import os
import secrets
from itertools import accumulate
from pathlib import Path

from harness.common import results_root
from harness.common.patience import answered, repeat
from harness.errors import StoreError
from harness.store import atomic
from harness.store.temporaries import NO_LINKS

OTHER = "choose another folder with --results"


def refuse_unusable(root: Path) -> None:
    """Raises StoreError if `root` is a file, or leads through a link to nothing or to itself."""
    for part in accumulate(root.parts, lambda above, name: str(Path(above, name))):
        path = Path(part)
        if not repeat(path, path.is_symlink):
            continue
        link = f"{path}: is a link to {path.readlink()}"
        try:
            if not atomic.exists(path):
                raise StoreError(f"{link}, which does not exist; create or mount it, or {OTHER}")
        except StoreError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.ELOOP:
                raise
            raise StoreError(f"{link}, which leads back to itself; remove it, or {OTHER}") from error
    if atomic.exists(root) and not atomic.is_folder(root):
        raise StoreError(f"{root}: is a file; choose a folder with --results")


def refuse_unwritable(folder: Path) -> None:
    """Raises StoreError if no file can be made in `folder`."""
    if os.access(folder, os.W_OK | os.X_OK):
        return
    made = folder / f".harness-{secrets.token_hex(8)}"

    def once() -> None:
        made.touch()
        made.unlink(missing_ok=True)

    try:  # `access` gives no reason, which may be that the folder does not respond
        answered(folder, once, "be written")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written; change its permissions, or {OTHER}") from error


def create(root: Path) -> None:
    """Create the results folder `root`, unless it exists. Raises StoreError."""
    results_root.forget(root)  # what this process has opened there before does not matter: this is a new beginning
    refuse_unusable(root)
    atomic.make_folder(root)


def open_for_reading(root: Path) -> None:
    """From now on `root`, if it exists, is waited for when it is away. Raises StoreError."""
    if results_root.root_of(root) != Path(os.path.abspath(root)):  # noqa: PTH100 - links are not followed
        refuse_unusable(root)
        if atomic.exists(root):
            _remember(root)


def open_for_writing(root: Path) -> None:
    """`open_for_reading` of an existing folder, which gets a marker if it has none. Raises StoreError."""
    open_for_reading(root)
    marker = root / results_root.MARKER
    if not atomic.exists(marker) and os.access(root, os.W_OK | os.X_OK):
        atomic.publish(marker, atomic.to_json({"schema": 1, "id": secrets.token_hex(16)}))
        _remember(root)


def confirm(root: Path) -> None:
    """Wait until the results folder is there, and the one that was opened. Raises StoreError if it stays away."""

    def once() -> None:
        if results_root.is_away(root):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(root))

    try:
        repeat(root, once)
    except OSError as error:
        raise atomic.unusable(root, "be used", error) from error


def without_links(folder: Path) -> str | None:
    """Why files cannot be hard-linked in `folder`, which leases and results need; None: they can be. Leaves nothing."""
    name = folder / f".harness-{secrets.token_hex(8)}"
    try:
        name.touch()
        try:
            os.link(name, f"{name}.link")
            Path(f"{name}.link").unlink()
        finally:
            name.unlink()
    except OSError as error:
        return f"{folder}: this file system has no hard links ({error.strerror})" if error.errno in NO_LINKS else str(error)
    return None


def _remember(root: Path) -> None:
    try:
        repeat(root, lambda: results_root.remember(root))
    except OSError as error:
        raise atomic.unusable(root, "be read", error) from error
