"""Ref and commit -> what a plan stores of a version."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from harness.tasks.command.code.changes import changes
from harness.tasks.command.code.git import git, printable
from harness.tasks.command.code.remote import commit_url
from harness.tasks.command.code.version import CodeVersion
from harness.tasks.command.code.working_tree import AUTHOR

LONGEST = 500  # characters of a subject


def described(repository: Path, ref: str, commit: str, baseline: str, counts: Callable[[str], bool]) -> CodeVersion:
    """The version `ref`, which is `commit`, with its changes against the commit of the baseline. Raises GitError.

    `counts`: whether a file, relative to the repository, is an input of the command.
    """
    author, parents, subject = git(repository, "show", "--no-patch", "--format=%ae%n%P%n%s", commit).split("\n", 2)
    made = author == f"{AUTHOR}@localhost"  # of the working tree
    return CodeVersion(
        ref=ref,
        commit=commit,
        parent=parents.split(" ")[0] if made else None,
        subject=printable(subject)[:LONGEST],
        url=None if made else _url(repository, commit),
        changes=() if commit == baseline else changes(repository, baseline, commit, counts),
    )


@lru_cache(maxsize=256)
def _url(repository: Path, commit: str) -> str | None:
    return commit_url(repository, commit)
