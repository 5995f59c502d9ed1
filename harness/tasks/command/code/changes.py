"""Two commits -> the files that differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.tasks.command.code.git import listed, printable
from harness.tasks.command.code.version import FileChange


def changes(repository: Path, old: str, new: str, counts: Callable[[str], bool]) -> tuple[FileChange, ...]:
    """The files that differ, by path; a renamed file is one that was removed and one that was added. Raises GitError.

    `counts`: whether a path, relative to the repository, is an input.
    """
    found = []
    options = ("-r", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "--numstat", "-z")
    for entry in listed(repository, "diff-tree", *options, old, new):
        added, removed, path = entry.split("\t", 2)
        binary = added == "-"
        lines = (None, None) if binary else (int(added), int(removed))
        found.append(FileChange(path=printable(path), added=lines[0], removed=lines[1], counts=counts(path)))
    return tuple(found)
