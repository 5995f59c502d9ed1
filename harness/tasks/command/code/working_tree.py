"""The working tree as it is, untracked files included -> a commit, without touching the index, branches or files of the user."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import LINK, GitError, found, git, listed, printable
from harness.tasks.command.code.place import checkouts_folder

MAX_UNTRACKED = 200 * 10**6  # [bytes] more are data, which git would copy into the repository
LEDGER = re.compile(r"(?P<results>.+)/ledger/[0-9a-f]{16}/\d{6}\.json")  # an entry, and the results folder that it is in
AUTHOR = "ablation-harness"
# Untracked files that do not belong to a version: written by tools, or likely to hold passwords.
NOT_CODE = ("__pycache__/**", "**/__pycache__/**", "**/.env", "**/.env.*", "**/.netrc", "**/*.pem", "**/*.key")


@dataclass(frozen=True)
class WorkingTree:
    """A commit with the files of a working tree, and the one that it differs from; None if it does not differ."""

    commit: str
    parent: str | None = None


def working_tree(top: Path, link: Sequence[str] = ()) -> WorkingTree:
    """The commit of the working tree: HEAD if nothing differs from it, else one made of it. Equal files give equal commits.

    Files that git ignores are not part of it, nor are linked ones and results folders. Raises InputError during a merge, for
    submodules with changes, and for much untracked data.
    """
    try:
        head = git(top, "rev-parse", "--verify", "HEAD^{commit}")
        if unmerged := listed(top, "diff", "--name-only", "--diff-filter=U", "-z"):
            raise InputError(f"{top}: {printable(unmerged[0])} is not merged yet; finish the merge, or use a commit")
        links, hidden = _entries(top)
        if links:
            _refuse_changed_submodules(top)
        results = _results(top)
        own = [":/", *map(_left_out, results)]
        # Of ignored names git says, as an error, that it does not add them.
        not_ignored = [name for name in (*results, *link) if found(top, "check-ignore", "--quiet", "--", name) is None]
        left_out = map(_left_out, (*not_ignored, *_other_results(top)))
        added = [":/", *left_out, *(f":(exclude,top,glob){pattern}" for pattern in NOT_CODE)]
        _refuse_data(top, added)
        with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
            index = Path(folder) / "index"
            used = top / git(top, "rev-parse", "--git-path", "index")
            if used.exists():
                # With what git knows of unchanged files, so that it need not read them. Its own time is a part of that: git reads
                # files that are not older than the index, which may have changed since without another size or time.
                shutil.copy2(used, index)
            variables = {"GIT_INDEX_FILE": str(index)}
            if hidden:  # git would take their changes for none
                names = "".join(f"{name}\0" for name in hidden).encode("utf-8", "surrogateescape")
                for what in ("--no-assume-unchanged", "--no-skip-worktree"):
                    git(top, "update-index", what, "-z", "--stdin", variables=variables, data=names)
            git(top, "add", "--update", "--", *own, variables=variables)
            git(top, "add", "--all", "--", *added, variables=variables)
            tree = git(top, "write-tree", variables=variables)
        if tree == git(top, "rev-parse", "--verify", f"{head}^{{tree}}"):
            return WorkingTree(head)
        return WorkingTree(_commit(top, tree, head), head)
    except GitError as error:
        raise InputError(f"{top}: the working tree cannot be recorded as a version: {error}; use a commit") from error


def leads_to_working_tree(text: str, top: Path, link: Sequence[str]) -> bool:
    """Whether a text is an absolute path to a file of the working tree; not of linked files, nor of ones that git ignores."""
    path = Path(text)
    if not path.is_absolute() or "\0" in text:
        return False
    path = Path(os.path.normpath(path))
    if not path.is_relative_to(top) or not path.exists() or any(path.is_relative_to(top / name) for name in link):
        return False
    return found(top, "check-ignore", "--quiet", "--", str(path)) is None


def _commit(top: Path, tree: str, head: str) -> str:
    at = git(top, "show", "--no-patch", "--format=%ct", head)
    who = {"NAME": AUTHOR, "EMAIL": f"{AUTHOR}@localhost", "DATE": f"{at} +0000"}
    variables = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
    message = f"The working tree on {head[:7]}, with changes\n".encode()
    return git(top, "-c", "i18n.commitEncoding=UTF-8", "commit-tree", tree, "-p", head, variables=variables, data=message)


def _results(top: Path) -> list[str]:
    """The results folder, whose files change while a plan is trained, if it is in the working tree."""
    results = checkouts_folder().parent.parent
    return [results.relative_to(top).as_posix()] if results != top and results.is_relative_to(top) else []


def _other_results(top: Path) -> list[str]:
    """Untracked results folders of other commands, such as of those that were started in a subfolder: folders with a ledger."""
    entries = listed(top, "ls-files", "--others", "--exclude-standard", "-z", "--", ":(top,glob)**/ledger/*/*.json")
    return sorted({match["results"] for entry in entries if (match := LEDGER.fullmatch(entry))})


def _left_out(name: str) -> str:
    """A file or folder that is not part of the version, as a pathspec."""
    return f":(exclude,top,literal){name}"


def _entries(top: Path) -> tuple[bool, list[str]]:
    """Whether the repository contains others, and the files that are there although git is told not to look at them.

    A file of a sparse checkout that is missing does not count as a change.
    """
    links, hidden = False, []
    for entry in listed(top, "ls-files", "-v", "--stage", "-z"):
        facts, _, name = entry.partition("\t")
        tag, mode, *_ = facts.split(" ")
        links = links or mode == LINK
        if (tag.islower() or tag == "S") and os.path.lexists(top / name):
            hidden.append(name)
    return links, hidden


def _refuse_changed_submodules(top: Path) -> None:
    for line in listed(top, "status", "--porcelain=v2", "--ignore-submodules=none", "-z"):
        words = line.split(" ", 8)
        if words[0] in ("1", "2") and words[2].startswith("S") and ("M" in words[2][1:] or "U" in words[2][1:]):
            name = printable(words[-1].rpartition(" ")[2] if words[0] == "2" else words[-1])
            raise InputError(f"{top}: the submodule {name} has changes; commit them in {name}, or use a commit instead of .")


def _refuse_data(top: Path, added: list[str]) -> None:
    sizes = {}
    for name in listed(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *added):
        if name.endswith("/"):
            nested = printable(name.rstrip("/"))
            raise InputError(
                f"{top}: {nested} is a repository of its own, whose files . would leave out; make it a submodule, "
                f"add it to .gitignore, or list it in link:"
            )
        path = top / name
        sizes[name] = 0 if path.is_symlink() or not path.exists() else path.stat().st_size
    if sum(sizes.values()) > MAX_UNTRACKED:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        shown = ", ".join(f"{printable(name)} ({sizes[name] / 1e6:,.0f} MB)" for name in largest)
        raise InputError(
            f"{top}: the untracked files have {sum(sizes.values()) / 1e6:,.0f} MB, more than {MAX_UNTRACKED / 1e6:.0f} MB; "
            f"add data to .gitignore, and to link: what the program reads (largest: {shown})"
        )
