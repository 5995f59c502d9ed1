"""A folder -> the git repository that it is in, if versions of it can be checked out."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import GitError, found, git


def top_of(folder: Path) -> Path:
    """The top level of the repository that `folder` is in, links resolved.

    Raises InputError if there is none with a working tree and a commit.
    """
    if not folder.is_dir():
        raise InputError(f"folder not found: {folder}; use a folder in a git repository")
    if found(folder, "rev-parse", "--is-bare-repository") == "true":
        raise InputError(f"{folder} is a bare repository; use a clone with a working tree")
    try:
        top = Path(git(folder, "rev-parse", "--show-toplevel")).resolve()
    except GitError as error:
        if "must be run in a work tree" in str(error):
            raise InputError(f"{folder} is inside the .git folder of a repository; use the folder with the code") from error
        raise InputError(f"{folder} is not in a git repository; use another folder, or: git init and git commit") from error
    if found(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise InputError(f"{top}: the repository has no commits yet; use: git add and git commit")
    return top


def is_shallow(top: Path) -> bool:
    """Whether the clone lacks older commits."""
    return found(top, "rev-parse", "--is-shallow-repository") == "true"


def common_folder(top: Path) -> Path:
    """The folder in which git keeps what all working trees of the repository share."""
    return (top / git(top, "rev-parse", "--git-common-dir")).resolve()
