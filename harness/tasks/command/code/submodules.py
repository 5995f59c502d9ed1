"""Files of submodules -> a checkout, from the clones that the repository has. Nothing is fetched."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import found, git, listed, printable
from harness.tasks.command.code.repository import common_folder

LINK = "160000"  # mode of a submodule in a tree
DEEPEST = 10


def add_submodules(repository: Path, commit: str, target: Path, depth: int = 0) -> None:
    """Write the files of the submodules of `commit` below `target`, recursively. Raises InputError, GitError."""
    for entry in listed(repository, "ls-tree", "-r", "-z", "--full-tree", commit):
        facts, _, name = entry.partition("\t")
        mode, _, wanted = facts.split(" ")
        if mode != LINK:
            continue
        clone = _clone(repository, commit, name)
        if clone is None or found(clone, "cat-file", "-e", f"{wanted}^{{commit}}") is None:
            shown = printable(name)
            raise InputError(
                f"{repository}: the submodule {shown} lacks the commit {wanted[:7]} of this version; "
                f"use: git submodule update --init --recursive, or git -C {shown} fetch"
            )
        with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
            variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            git(clone, "read-tree", wanted, variables=variables)
            git(clone, "checkout-index", "--all", "--force", f"--prefix={target / name}/", variables=variables)
        if depth < DEEPEST:
            add_submodules(clone, wanted, target / name, depth + 1)


def _clone(repository: Path, commit: str, path: str) -> Path | None:
    """A folder in which git works with the submodule's own repository."""
    folder = repository / path
    if (folder / ".git").exists():
        return folder
    keys = found(repository, "config", f"--blob={commit}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$") or ""
    for line in keys.splitlines():
        key, _, value = line.partition(" ")
        if value == path:
            name = key.removeprefix("submodule.").removesuffix(".path")
            modules = common_folder(repository) / "modules"
            own = (modules / name).resolve()
            if own.is_dir() and own.is_relative_to(modules):
                return own
    return None
