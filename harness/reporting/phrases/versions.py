"""Text for versions of the code and the files that they change; safe to show, whatever a repository holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.reporting.phrases.labels import cut_middle, prefix
from harness.reporting.phrases.numbers import plural
from harness.tasks.command.code.version import WORKING_TREE, CodeVersion, FileChange

SHORT = 10  # digits of a commit
SUBJECT, PATH, REF = 120, 100, 40  # cells of a subject, of a file's path and of a ref


@dataclass(frozen=True)
class Size:
    """How much some files changed; binary files have no lines."""

    files: int
    added: int
    removed: int
    binary: int

    @classmethod
    def of(cls, changes: Iterable[FileChange]) -> Size:
        """The sum over the files."""
        found = list(changes)
        lines = [(change.added or 0, change.removed or 0) for change in found]
        binary = sum(change.added is None or change.removed is None for change in found)
        return cls(len(found), sum(added for added, _ in lines), sum(removed for _, removed in lines), binary)

    @property
    def words(self) -> str:
        """`+12 −3 in 2 files, 1 binary`; `no file differs`."""
        if not self.files:
            return "no file differs"
        if self.files == self.binary:
            return plural(self.binary, "binary file")
        binary = f", {self.binary:,d} binary" if self.binary else ""
        return f"+{self.added:,d} −{self.removed:,d} in {plural(self.files, 'file')}{binary}"


def lines(change: FileChange) -> str:
    """`+12 −3`."""
    return "binary" if change.added is None or change.removed is None else f"+{change.added:,d} −{change.removed:,d}"


def short_commit(commit: str) -> str:
    """The abbreviated commit."""
    return commit[:SHORT]


def subject(version: CodeVersion) -> str:
    """What a version is, on one line: the first line of its commit's message, or that it is a changed working tree."""
    if version.parent is not None:
        return f"the working tree on {short_commit(version.parent)}, with changes"
    shown = "".join(character if character.isprintable() else " " for character in version.subject)
    line = " ".join(shown.split())
    return line if prefix(line, SUBJECT) == line else f"{prefix(line, SUBJECT - 1)}…"


def name(version: CodeVersion) -> str:
    """The ref as in the file; the working tree in words."""
    return "the working tree" if version.ref == WORKING_TREE else shown_path(version.ref, REF)


def shown_path(name: str, width: int = PATH) -> str:
    """A file's path, or a ref, on one line; what is not printable as an escape sequence, a long one cut in the middle."""
    shown = "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in name)
    return cut_middle(shown, width, width // 2 - 1, width // 2, "…")
