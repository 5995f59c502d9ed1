"""Commit -> a folder with its files: read-only, made once, and shared by all runs of the version."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import SYMLINK, GitError, found, git, listed, printable
from harness.tasks.command.code.intact import settle
from harness.tasks.command.code.place import (
    Checkout,
    complete,
    end_making,
    key_of,
    locked,
    log_of,
    make_read_only,
    new_folder,
    publish,
    remove,
    remove_leftovers,
)
from harness.tasks.command.code.preparation import prepare, read_by
from harness.tasks.command.code.refs import keep
from harness.tasks.command.code.submodules import add_submodules
from harness.tasks.command.code.working_tree import leads_to_working_tree
from harness.tasks.command.model import Program

SHOWN = 8  # names in a message
POINTER = b"version https://git-lfs.github.com/spec/"  # the beginning of a file that stands for one in LFS


def checkout(program: Program, commit: str, environment: Mapping[str, str]) -> Path:
    """The folder with the files of `commit`, made now if there is none. `environment`: of the command `prepare`.

    Raises InputError if it cannot be made; then nothing of it is left but the log of `prepare`.
    """
    assert program.repository is not None
    key, repository = key_of(program, commit), Path(program.repository)
    if folder := complete(key):
        return folder
    if not repository.is_dir():
        raise InputError(f"{repository}: folder not found, and the commit {commit[:7]} is not checked out in {key.parent}")
    try:
        with locked(key):
            if folder := complete(key):  # another process has made it meanwhile
                return folder
            remove_leftovers(key, repository)
            return _made(program, repository, commit, key, environment)
    except GitError as error:
        raise InputError(f"{repository}: the commit {commit[:7]} cannot be checked out: {_explained(str(error))}") from error
    except OSError as error:
        advice = "free disk space, or correct permissions"
        raise InputError(f"{key.parent}: cannot be written: {error.strerror or error}; {advice}") from error


def is_available(program: Program, commit: str) -> bool:
    """Whether the files of `commit` are here: checked out, or in the repository."""
    assert program.repository is not None
    if complete(key_of(program, commit)):
        return True
    return found(Path(program.repository), "cat-file", "-e", f"{commit}^{{commit}}") is not None


def _made(program: Program, repository: Path, commit: str, key: Path, environment: Mapping[str, str]) -> Path:
    own = new_folder(key)
    used = None
    try:
        git(repository, "worktree", "add", "--detach", "--quiet", str(own), commit)
        keep(repository, commit)
        add_submodules(repository, commit, own)
        _refuse_pointers(own)
        _refuse_links(own, program, repository, commit)
        _link(program, repository, commit, own)
        reads: tuple[str, ...] = ()
        if program.prepare is not None:
            reads = read_by(program.prepare, own)
            prepare(program.prepare, own, environment, log_of(key), commit)
        make_read_only(own)
        marker = Checkout(
            folder=own.name,
            repository=str(repository),
            commit=commit,
            link=program.link,
            prepare=program.prepare,
            reads=reads,
            changed=settle(own),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        used = publish(key, marker)
    finally:
        if used != own:  # where files cannot be locked, another process may come first
            remove(own, repository)
    end_making(own)
    return used


def _link(program: Program, repository: Path, commit: str, target: Path) -> None:
    """Link what is not part of the version. Raises InputError if it is, or is missing."""
    for name in program.link:
        source, place = repository / name, target / name
        if not source.exists():
            raise InputError(f"task.link: {name}: not found: {source}; use files and folders relative to {repository}")
        if os.path.lexists(place):
            advice = _untracked_advice(repository, name) or "remove it from link, or from the repository"
            raise InputError(f"task.link: {name} is part of the version {commit[:7]}; {advice}")
        if not place.parent.resolve().is_relative_to(target):
            raise InputError(f"task.link: {name}: a folder above it is a link in the version {commit[:7]}; link that, or nothing")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


def _refuse_links(folder: Path, program: Program, repository: Path, commit: str) -> None:
    """Raises InputError if a link of the version leads to files of the working tree, which are those of no version."""
    for entry in listed(folder, "ls-files", "--stage", "-z"):
        facts, _, name = entry.partition("\t")
        path = folder / name
        if not facts.startswith(SYMLINK) or not path.is_symlink():  # with core.symlinks=false it is a file
            continue
        if leads_to_working_tree(target := str(path.readlink()), repository, program.link):
            raise InputError(
                f"{printable(name)} of the version {commit[:7]} is a link to {printable(target)}, which is the working tree, "
                "not a version; make it a relative link"
            )


def _untracked_advice(repository: Path, name: str) -> str:
    """What to link instead of a folder that git tracks in part; empty if it tracks all of it."""
    inside = listed(repository, "ls-files", "--others", "--directory", "-z", "--", f":(top,literal){name}")
    paths = [each.rstrip("/") for each in inside if "__pycache__" not in each]
    names = [printable(path) for path in paths if path != name.rstrip("/")]  # another branch may track it
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"link what git does not track in it: {', '.join(names[:SHOWN])}{more}" if names else ""


def _refuse_pointers(folder: Path) -> None:
    """Raises InputError if files of LFS are not there."""
    if found(folder, "grep", "--quiet", "filter=lfs", "--", ":(glob)**/.gitattributes") is None:
        return
    for name in listed(folder, "ls-files", "-z", "--", ":(attr:filter=lfs)"):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(POINTER)) == POINTER:
                    raise InputError(f"{printable(name)} is in git LFS, whose files are not here; {LFS_ADVICE}")


LFS_ADVICE = "use: git lfs install && git lfs fetch --all"


def _explained(said: str) -> str:
    if "lfs" in said:
        return f"{said}; install git-lfs, then {LFS_ADVICE}"
    if "not a valid object" in said or "invalid reference" in said or "bad object" in said:
        return f"{said}; fetch this commit, or use another version"
    if "Read-only file system" in said or "Permission denied" in said:
        return f"{said}; git must be able to write to the repository: use a clone of it"
    return said
