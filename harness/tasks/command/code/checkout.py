"""Commit -> a folder with its files: read-only, made once, and shared by all runs of the version."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command.code.git import GitError, found, git, listed, printable
from harness.tasks.command.code.place import (
    Checkout,
    is_known,
    locked,
    log_of,
    make_read_only,
    place_of,
    read_marker,
    remove,
    remove_leftovers,
    temporary_of,
    write_marker,
)
from harness.tasks.command.code.preparation import prepare
from harness.tasks.command.code.refs import keep
from harness.tasks.command.code.submodules import add_submodules
from harness.tasks.command.model import Program

POINTER = b"version https://git-lfs.github.com/spec/"  # the beginning of a file that stands for one in LFS


def checkout(program: Program, commit: str, environment: Mapping[str, str]) -> Path:
    """The folder with the files of `commit`, made now if there is none. `environment`: of the command `prepare`.

    Raises InputError if it cannot be made; then nothing of it is left but the log of `prepare`.
    """
    assert program.repository is not None
    final, repository = place_of(program, commit), Path(program.repository)
    if read_marker(final) is not None:
        if not is_known(final):
            found(repository, "worktree", "repair", str(final))
        return final
    if not repository.is_dir():
        raise InputError(f"{repository}: folder not found, and the commit {commit[:7]} is not checked out in {final.parent}")
    try:
        with locked(final):
            if read_marker(final) is None:  # else another process has made it meanwhile
                remove_leftovers(final)
                if final.exists():
                    remove(final, repository)  # its marker is lost
                _make(program, repository, commit, final, environment)
    except GitError as error:
        raise InputError(f"{repository}: the commit {commit[:7]} cannot be checked out: {_explained(str(error))}") from error
    except OSError as error:
        advice = "free disk space, or correct permissions"
        raise InputError(f"{final}: cannot be written: {error.strerror or error}; {advice}") from error
    return final


def _make(program: Program, repository: Path, commit: str, final: Path, environment: Mapping[str, str]) -> None:
    temporary = temporary_of(final)
    try:
        git(repository, "worktree", "add", "--detach", "--quiet", str(temporary), commit)
        keep(repository, commit)
        add_submodules(repository, commit, temporary)
        _refuse_pointers(temporary)
        _link(program, repository, commit, temporary)
        if program.prepare is not None:
            prepare(program.prepare, temporary, environment, log_of(final), commit)
        make_read_only(temporary)
        marker = Checkout(
            folder=str(final),
            repository=str(repository),
            commit=commit,
            link=program.link,
            prepare=program.prepare,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_marker(final, marker)
        try:
            temporary.rename(final)
        except OSError:
            if read_marker(final) is None:  # where files cannot be locked, another process may come first
                raise
    finally:
        if temporary.exists():
            remove(temporary, repository)
    git(repository, "worktree", "repair", str(final))


def _link(program: Program, repository: Path, commit: str, target: Path) -> None:
    """Link what is not part of the version. Raises InputError if it is, or is missing."""
    for name in program.link:
        source, place = repository / name, target / name
        if not source.exists():
            raise InputError(f"task.link: {name}: not found: {source}; use files and folders relative to {repository}")
        if os.path.lexists(place):
            advice = "remove it from link, or from the repository"
            raise InputError(f"task.link: {name} is part of the version {commit[:7]}; {advice}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


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
    return said
