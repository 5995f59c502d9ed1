"""Where versions of code are checked out: names, markers, locks, and the removal of what is no longer used.

`FOLDER/NAME` is a complete checkout if `FOLDER/NAME.json` says that it was made there: it is renamed to this name when it is
complete. What a killed process has left has another name, which tells its maker.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.tasks.command.code.repository import common_folder
from harness.tasks.command.model import Program

VARIABLE = "HARNESS_CHECKOUTS"
TEMPORARY = re.compile(r"\.(?P<name>[0-9a-f]+-[0-9a-f]+)\.(?P<host>.+)\.(?P<pid>\d+)\.[0-9a-f]+\.tmp")
OLD_S = 24 * 3600.0  # after which what another machine has left is not in use any more


class Checkout(BaseModel):
    """NAME.json beside a checkout: what it is a checkout of."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(1, alias="schema")
    folder: str  # where it was made
    repository: str
    commit: str
    link: tuple[str, ...] = ()
    prepare: str | None = None
    created: str  # ISO 8601, UTC


def checkouts_folder() -> Path:
    """Where versions are checked out: `$HARNESS_CHECKOUTS`, else `results/code/checkouts`. Links resolved, as git stores it."""
    return Path(os.environ.get(VARIABLE, "results/code/checkouts")).resolve()


def place_of(program: Program, commit: str) -> Path:
    """The folder of a checkout of `commit`. Programs that differ only in what does not change the folder's content share it.

    Its name depends on where it is: in a copied folder, and where a shared one has another path, it is another checkout, as git
    knows it by its path.
    """
    folder, variables = checkouts_folder(), dict(program.environment) if program.prepare else {}
    key = json.dumps([str(folder), program.repository, commit, sorted(program.link), program.prepare, variables], sort_keys=True)
    return folder / f"{commit[:12]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def checkout_of(path: Path) -> Path | None:
    """The checkout that contains a folder; None if it is in none."""
    folder = checkouts_folder()
    return folder / path.relative_to(folder).parts[0] if path != folder and path.is_relative_to(folder) else None


def marker_of(folder: Path) -> Path:
    """The file that says what a checkout is of."""
    return folder.with_name(f"{folder.name}.json")


def log_of(folder: Path) -> Path:
    """The output of `prepare`."""
    return folder.with_name(f"{folder.name}.log")


def read_marker(folder: Path) -> Checkout | None:
    """What the folder is a checkout, or a copy of one, of; None if it is none."""
    try:
        marker = Checkout.model_validate_json(marker_of(folder).read_bytes())
    except (OSError, ValidationError):
        return None
    return marker if folder.is_dir() else None


def write_marker(folder: Path, marker: Checkout) -> None:
    """Written before the folder gets its name, so that no checkout is without it. Raises OSError."""
    target = marker_of(folder)
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    made.write_text(marker.model_dump_json(by_alias=True, indent=1) + "\n")
    made.replace(target)


def temporary_of(folder: Path) -> Path:
    """A new name for a checkout that this process makes."""
    return folder.with_name(f".{folder.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time makes or removes a checkout; another one waits. Without effect where files cannot be locked.

    Raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    ignored = folder.parent / ".gitignore"
    if not ignored.exists():  # checkouts inside a repository must not count as its files
        ignored.write_text("*\n")
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the process ends, however it does
        yield


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left of attempts to make this checkout. To be called while it is `locked`."""
    for path in leftovers(folder.parent):
        if path.name.startswith(f".{folder.name}."):
            remove(path)


def leftovers(checkouts: Path) -> list[Path]:
    """Unfinished checkouts whose makers have ended."""
    named = [(path, TEMPORARY.fullmatch(path.name)) for path in sorted(checkouts.glob(".*.tmp"))]
    return [path for path, made in named if made is not None and _is_dead(path, made)]


def _is_dead(path: Path, made: re.Match[str]) -> bool:
    try:
        if made["host"] == socket.gethostname():
            os.kill(int(made["pid"]), 0)
            return False
        return time.time() - path.stat().st_mtime > OLD_S
    except (ProcessLookupError, FileNotFoundError):
        return True
    except OSError:  # a process of another user
        return False


def remove(folder: Path, repository: Path | None = None) -> None:
    """Remove a checkout or what there is of it, and what git knows of it. Errors are ignored: it may be tried again.

    `repository`: where it came from, if the folder itself no longer tells.
    """
    own = _administration(folder)
    # Not first: if this process is killed, the folder still leads there.
    _remove_tree(folder)
    if own is not None and not folder.exists():
        shutil.rmtree(own, ignore_errors=True)
    elif repository is not None:
        with suppress(Exception):
            for entry in (common_folder(repository) / "worktrees").iterdir():
                if _is_of(entry, folder):
                    shutil.rmtree(entry, ignore_errors=True)


def _administration(folder: Path) -> Path | None:
    """The folder inside the repository in which git keeps the state of this working tree; None if it is of another one."""
    with suppress(OSError):
        said = (folder / ".git").read_text()
        entry = Path(said.removeprefix("gitdir:").strip())
        if entry.parent.name == "worktrees" and _is_of(entry, folder):
            return entry
    return None


def is_known(folder: Path) -> bool:
    """Whether git knows the checkout under its name: not if its maker was killed after renaming it."""
    entry = _administration(folder)
    return entry is not None and _tree_of(entry) == folder


def _is_of(entry: Path, folder: Path) -> bool:
    """Whether it is the state of this working tree, under its name or the one under which it was made."""
    tree = _tree_of(entry)
    own = tree is not None and (tree.name == folder.name or tree.name.startswith(f".{folder.name}."))
    return own and tree is not None and tree.parent == folder.parent


def _tree_of(entry: Path) -> Path | None:
    try:
        return Path((entry / "gitdir").read_text().strip()).parent
    except OSError:
        return None


def _remove_tree(folder: Path) -> None:
    for top, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(top, stat.S_IRWXU)  # noqa: PTH101 - of very many
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
