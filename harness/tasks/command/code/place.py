"""Where versions of code are checked out: names, markers, locks, and the removal of what is no longer used.

A process makes a checkout in a folder of its own, `KEY-xxxxxx`, and says at the end in `KEY.json` that this is the one: then it
is complete. It is never renamed, as environments that `prepare` makes contain its path.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.common import shared_files
from harness.common.patience import answered
from harness.common.results_root import create_folder
from harness.errors import InputError
from harness.tasks.command.code.git import GitError
from harness.tasks.command.code.repository import common_folder
from harness.tasks.command.model import Program

VARIABLE = "HARNESS_CHECKOUTS"
OLD_S = 24 * 3600.0  # after which what another machine has left is not in use any more


class Checkout(BaseModel):
    """KEY.json: a complete checkout, and what it is of. `folder` is its name, beside this file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(1, alias="schema")
    folder: str = Field(pattern=r"^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$")
    repository: str
    commit: str
    link: tuple[str, ...] = ()
    prepare: str | None = None
    reads: tuple[str, ...] = ()  # files of the version that `prepare` is known to read, relative to its top
    changed: tuple[str, ...] = ()  # files of the version that `prepare` has changed or removed
    created: str  # ISO 8601, UTC


def checkouts_folder() -> Path:
    """Where versions are checked out: `$HARNESS_CHECKOUTS`, else `results/code/checkouts`. Links resolved, as git stores it."""
    return Path(os.environ.get(VARIABLE, "results/code/checkouts")).resolve()


def key_of(program: Program, commit: str) -> Path:
    """The checkout of `commit` for a program: a path whose name begins those of all its files. Programs that differ only in what
    does not change the folder's content share it.

    It depends on where it is: in a copied folder, and where a shared one has another path, it is another checkout, as git knows
    checkouts by their paths.
    """
    folder, variables = checkouts_folder(), dict(program.environment) if program.prepare else {}
    key = json.dumps([str(folder), program.repository, commit, sorted(program.link), program.prepare, variables], sort_keys=True)
    return folder / f"{commit[:12]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def checkout_of(path: Path) -> Path | None:
    """The checkout that contains a folder; None if it is in none."""
    folder = checkouts_folder()
    return folder / path.relative_to(folder).parts[0] if path != folder and path.is_relative_to(folder) else None


def marker_of(key: Path) -> Path:
    """The file that says which folder is the complete checkout."""
    return key.with_name(f"{key.name}.json")


def log_of(key: Path) -> Path:
    """The output of `prepare`."""
    return key.with_name(f"{key.name}.log")


def read_marker(key: Path) -> Checkout | None:
    """What is checked out; None if nothing is, or its folder was removed. Raises StoreError."""
    try:
        marker = Checkout.model_validate_json(shared_files.read_bytes(marker_of(key)))
    except (FileNotFoundError, ValidationError):
        return None
    return marker if shared_files.is_folder(key.parent / marker.folder) else None


def marker_at(folder: Path) -> Checkout | None:
    """The marker of a complete checkout; None if the folder is none."""
    marker = read_marker(folder.with_name(folder.name.rpartition("-")[0]))
    return marker if marker is not None and marker.folder == folder.name else None


def complete(key: Path) -> Path | None:
    """The folder of a complete checkout; None if there is none."""
    marker = read_marker(key)
    return None if marker is None else key.parent / marker.folder


def publish(key: Path, marker: Checkout) -> Path:
    """Say that the folder of `marker` is complete; the folder to use, which another process may have completed just before.

    Raises OSError.
    """
    target = marker_of(key)

    def once() -> None:
        made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        made.write_text(marker.model_dump_json(by_alias=True, indent=1) + "\n")
        try:
            if read_marker(key) is None:
                target.unlink(missing_ok=True)  # of a folder that was removed
            target.hardlink_to(made)
        except FileExistsError:  # by another process, or by this one if a reply was lost
            pass
        finally:
            made.unlink()

    answered(target, once, "be written")
    return complete(key) or key.parent / marker.folder


def new_folder(key: Path) -> Path:
    """A folder in which this process makes a checkout: its place for ever, as environments in it contain its path."""
    folder = key.with_name(f"{key.name}-{secrets.token_hex(3)}")
    answered(folder, lambda: _making(folder).write_text(f"{socket.gethostname()} {os.getpid()}\n"), "be made")
    return folder


def end_making(folder: Path) -> None:
    """The folder is complete, or removed."""
    answered(folder, lambda: _making(folder).unlink(missing_ok=True))


def _making(folder: Path) -> Path:
    """Who makes the checkout; removed once it is complete."""
    return folder.with_name(f"{folder.name}.making")


@contextmanager
def locked(key: Path) -> Iterator[None]:
    """One process at a time makes or removes a checkout; another one waits. Without effect where files cannot be locked.

    Raises OSError.
    """
    answered(key.parent, lambda: create_folder(key.parent), "be created")
    ignored = key.parent / ".gitignore"
    if not shared_files.exists(ignored):  # checkouts inside a repository must not count as its files
        answered(ignored, lambda: ignored.write_text("*\n"), "be written")
    with answered(key, lambda: key.with_name(f".{key.name}.lock").open("w"), "be locked") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the process ends, however it does
        yield


def remove_leftovers(key: Path, repository: Path) -> None:
    """Remove what killed processes have left of attempts to make this checkout."""
    for path in leftovers(key.parent):
        if path.name.startswith(f"{key.name}-"):
            remove(path, repository)
    for path in shared_files.matches(key.parent, f"{key.name}-*.making"):
        if not shared_files.exists(path.with_suffix("")) and _is_abandoned(path.with_suffix("")):
            path.unlink(missing_ok=True)


def leftovers(checkouts: Path) -> list[Path]:
    """Folders that no marker names and whose makers have ended."""
    markers = [read_marker(path.with_suffix("")) for path in shared_files.matches(checkouts, "*.json")]
    known = {marker.folder for marker in markers if marker is not None}
    folders = shared_files.matches(checkouts, "*")
    return [path for path in folders if shared_files.is_folder(path) and path.name not in known and _is_abandoned(path)]


def _is_abandoned(folder: Path) -> bool:
    try:
        host, _, pid = _making(folder).read_text().strip().partition(" ")
    except OSError:
        return True  # it was complete once, or is a copy
    try:
        if host == socket.gethostname() and pid.isdecimal():
            os.kill(int(pid), 0)
            return False
        return time.time() - folder.stat().st_mtime > OLD_S
    except (ProcessLookupError, FileNotFoundError):
        return True
    except OSError:  # a process of another user
        return False


def remove(folder: Path, repository: Path) -> None:
    """Remove a checkout or what there is of it, and what git knows of it. Errors are ignored: it may be tried again."""
    _remove_tree(folder)
    with suppress(OSError, GitError, InputError):  # the repository may be gone
        for entry in (common_folder(repository) / "worktrees").iterdir():
            if not folder.exists() and _tree_of(entry) == folder:
                shutil.rmtree(entry, ignore_errors=True)
    if not folder.exists():
        end_making(folder)


def _tree_of(entry: Path) -> Path | None:
    """The working tree whose state is in a folder of git's."""
    try:
        return Path((entry / "gitdir").read_text().strip()).parent
    except OSError:
        return None


def _remove_tree(folder: Path) -> None:
    for top, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(top, stat.S_IRWXU)  # noqa: PTH101 - faster, for very many folders
    shutil.rmtree(folder, ignore_errors=True)


def make_read_only(folder: Path) -> None:
    """Take the right to write from files and folders; what links lead to stays as it is. Raises OSError.

    So do files with several names: installers such as uv link them from a cache, in which they are the same files.
    """
    for top, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(top, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                path.chmod(status.st_mode & ~0o222)
        Path(top).chmod(Path(top).stat().st_mode & ~0o222)


def size_of(folder: Path) -> int:
    """Bytes of the files, without those that links lead to."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(top, name).lstat().st_size
    return total
