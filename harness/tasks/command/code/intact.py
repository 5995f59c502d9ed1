"""Whether a checkout still has the files of its version: a user such as root can write to what is read-only."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import GitError, found, listed, printable
from harness.tasks.command.code.place import marker_at

SHOWN = 3  # files in a message


def settle(folder: Path) -> tuple[str, ...]:
    """The files of the version that its preparation has changed or removed. Call it when the checkout is complete.

    Git notes the state of the files, so that it need not read them later.
    """
    found(folder, "update-index", "-q", "--refresh")
    return _changed(folder)


def refuse_changed(folder: Path) -> None:
    """Raises InputError if files of the version were changed or removed since the checkout was complete.

    New files are allowed: they are what a preparation or Python's cache leaves. Nothing is said if the repository is gone.
    """
    marker = marker_at(folder)
    try:
        changed = [name for name in _changed(folder) if marker is None or name not in marker.changed]
    except GitError:
        return
    if changed:
        shown = ", ".join(changed[:SHOWN]) + (f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else "")
        raise InputError(
            f"{folder}: is not the version any more, as these files were changed since it was checked out: {shown}; "
            "a program should write to {run_dir} only; remove the checkout with: harness clean --all"
        )


def _changed(folder: Path) -> tuple[str, ...]:
    """Names of tracked files that differ from the commit; not those of submodules."""
    options = ("--porcelain", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all")
    return tuple(printable(entry[3:]) for entry in listed(folder, "status", *options))
