"""Ref (branch, tag, commit, `HEAD~2`) -> the full id of its commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from harness.common.validation import suggestion
from harness.errors import InputError
from harness.tasks.command.code.git import GitError, found, git, printable
from harness.tasks.command.code.repository import is_shallow
from harness.tasks.command.code.version import WORKING_TREE
from harness.tasks.command.code.working_tree import AUTHOR, working_tree

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # a full id, which never moves
# No option (-x), no exclusion (^main), no path or search (:), no pattern, and nothing that git refuses in names anyway.
REF = re.compile(r"(?![-^])[^\s\x00-\x20\x7f:\\*?\[]{1,250}")
SUFFIX = re.compile(r"[~^]|@\{")  # where `main~2` leaves the name
ASKED, SHOWN, SUBJECT = 50, 3, 40  # commits that a message may name, that it names; characters of what it says of each
KEPT = "refs/harness/"  # keeps commits of plans from being removed, though no branch has them


@lru_cache(maxsize=256)
def check_ref(repository: str, ref: str) -> None:
    """Raises InputError if there is no such commit. Full ids are not checked: their checkouts may outlive the repository."""
    if ref != WORKING_TREE and not COMMIT.fullmatch(ref):
        _commit(Path(repository), ref)


def commit_of(repository: Path, ref: str, link: Sequence[str] = ()) -> str:
    """The commit that `ref` means now; for `.` one with the files of the working tree, but those in `link`. Raises InputError."""
    return working_tree(repository, link).commit if ref == WORKING_TREE else _commit(repository, ref)


def keep(repository: Path, commit: str) -> None:
    """Keep a commit from git's garbage collection until `harness clean` removes it. Raises GitError."""
    if found(repository, "rev-parse", "--verify", "--quiet", f"{KEPT}{commit}") is None:
        git(repository, "update-ref", f"{KEPT}{commit}", commit)


def forget(repository: Path, commit: str) -> None:
    """The opposite of `keep`, unless a working tree, such as another results folder's checkout, is at the commit."""
    used = found(repository, "worktree", "list", "--porcelain") if repository.is_dir() else None
    if used is not None and f"HEAD {commit}" not in used.splitlines():
        found(repository, "update-ref", "-d", f"{KEPT}{commit}")


def _commit(repository: Path, ref: str) -> str:
    if not REF.fullmatch(ref) or ".." in ref:
        raise InputError(f"invalid version {ref!r}; use a branch, a tag, a commit, or {WORKING_TREE} for the working tree")
    name = SUFFIX.split(ref)[0]
    meanings = {full: commit for full in _full_names(repository, name) if (commit := _peeled(repository, full))}
    if len(set(meanings.values())) > 1:
        shown = ", ".join(full.removeprefix("refs/") for full in meanings)
        raise InputError(f"ambiguous version {ref!r}; use one of: {shown}")
    try:
        return git(repository, "rev-parse", "--verify", f"{ref}^{{commit}}")
    except GitError as error:
        if "is ambiguous" in str(error):
            raise InputError(f"ambiguous version {ref!r}: several commits begin with it; use more digits") from error
        raise InputError(f"no version {ref!r} in {repository}; {_advice(repository, ref)}") from error


def _peeled(repository: Path, ref: str) -> str | None:
    return found(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")


def _full_names(repository: Path, name: str) -> list[str]:
    """The tags and branches of exactly this name."""
    wanted = [f"refs/{kind}/{name}" for kind in ("tags", "heads", "remotes")]
    exist = (found(repository, "for-each-ref", "--format=%(refname)", *wanted) or "").splitlines()
    return [full for full in wanted if full in exist]


def _advice(repository: Path, ref: str) -> str:
    if COMMIT.fullmatch(ref):
        return "fetch this commit, or use another one"
    if is_shallow(repository):
        fetch = "git remote set-branches origin '*' && git fetch --unshallow"
        return f"the clone is shallow, without older commits and other branches; use: {fetch}"
    listing = found(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
    names = (listing or "").splitlines()
    if remote := next((name for name in names if name.endswith(f"/{ref}")), None):
        return f"did you mean {remote}?"
    said = suggestion(ref, names) if names else "use a commit, or . for the working tree"
    if not SUFFIX.search(ref) and (lost := _lost(repository)):
        shown = ", ".join(f"{commit[:10]} ({subject[:SUBJECT]})" for commit, subject in lost)
        said += f"; if it was deleted: git branch {ref} COMMIT; commits of plans that no branch has: {shown}"
    return said


def _lost(repository: Path) -> list[tuple[str, str]]:
    """The last commits of plans that no branch or tag has, with their subjects; those of working trees never had one."""
    wanted = ("--sort=-committerdate", "--format=%(objectname) %(authoremail) %(contents:subject)", KEPT.rstrip("/"))
    entries = [line.split(" ", 2) for line in (found(repository, "for-each-ref", *wanted) or "").splitlines()[:ASKED]]
    own = [(commit, printable(subject)) for commit, author, subject in entries if author != f"<{AUTHOR}@localhost>"]
    where = ("refs/heads", "refs/tags", "refs/remotes")
    lost = (one for one in own if not found(repository, "for-each-ref", "--count=1", "--contains", one[0], *where))
    return list(islice(lost, SHOWN))
