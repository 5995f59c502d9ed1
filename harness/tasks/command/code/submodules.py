"""Files of submodules -> a checkout, from the clones that the repository has. Nothing is fetched."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import LINK, found, git, listed, printable
from harness.tasks.command.code.repository import common_folder

DEEPEST = 10


@dataclass(frozen=True)
class _Clone:
    """A repository: its git folder, the folder with the clones of its submodules, and its working tree, if it has one.

    A submodule that is not checked out has none, but its settings name one that does not exist: so git is always given another.
    """

    folder: Path
    modules: Path
    tree: Path | None

    def variables(self, target: Path, index: Path | None = None) -> dict[str, str]:
        own = {"GIT_DIR": str(self.folder), "GIT_WORK_TREE": str(target)}
        return own if index is None else {**own, "GIT_INDEX_FILE": str(index)}


def add_submodules(repository: Path, commit: str, target: Path) -> None:
    """Write the files of the submodules of `commit` below `target`, recursively. Raises InputError, GitError."""
    _add(_clone_of(repository), commit, target, repository, 0)


def _add(clone: _Clone, commit: str, target: Path, repository: Path, depth: int) -> None:
    for entry in listed(target, "ls-tree", "-r", "-z", "--full-tree", commit, variables=clone.variables(target)):
        facts, _, name = entry.partition("\t")
        mode, _, wanted = facts.split(" ")
        if mode != LINK:
            continue
        inside = target / name
        inside.mkdir(parents=True, exist_ok=True)
        inner = _submodule(clone, commit, name, target)
        if inner is None or found(inside, "cat-file", "-e", f"{wanted}^{{commit}}", variables=inner.variables(inside)) is None:
            shown = printable(name)
            raise InputError(
                f"{repository}: the submodule {shown} lacks the commit {wanted[:7]} of this version; "
                f"use: git submodule update --init --recursive, or git -C {shown} fetch"
            )
        with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
            variables = inner.variables(inside, Path(folder) / "index")
            git(inside, "read-tree", wanted, variables=variables)
            git(inside, "checkout-index", "--all", "--force", variables=variables)
        if depth < DEEPEST:
            _add(inner, wanted, inside, repository, depth + 1)


def _clone_of(folder: Path) -> _Clone:
    return _Clone(Path(git(folder, "rev-parse", "--absolute-git-dir")), common_folder(folder) / "modules", folder)


def _submodule(clone: _Clone, commit: str, path: str, target: Path) -> _Clone | None:
    """The clone of a submodule: where it is checked out, else inside the repository."""
    if clone.tree is not None and (clone.tree / path / ".git").exists():
        return _clone_of(clone.tree / path)
    wanted = ("config", f"--blob={commit}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
    for line in (found(target, *wanted, variables=clone.variables(target)) or "").splitlines():
        key, _, value = line.partition(" ")
        if value == path:
            folder = (clone.modules / key.removeprefix("submodule.").removesuffix(".path")).resolve()
            if folder.is_dir() and folder.is_relative_to(clone.modules):
                return _Clone(folder, folder / "modules", None)
    return None
