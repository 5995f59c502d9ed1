"""The folder of an export: written beside its place under another name, and renamed when it is complete.

A file in it says that it is an export, so that only exports are replaced.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InputError, StoreError
from harness.store.paths import Paths

MARKER = "harness-export.json"
# What the tools add when they open an export; none of it holds results.
LEFT_BY_TOOLS = ("mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal")
NEW, OLD = "new", "old"  # the export that is being written; the one that it replaces


class Marker(BaseModel):
    """harness-export.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    kind: str
    names: tuple[str, ...]  # of the plans, searches and runs
    harness: str  # version
    files: tuple[str, ...]  # all but this one, relative


def check_place(into: Path, paths: Paths) -> None:
    """Raises InputError for the current folder, which a shell would lose, and for a place among other results."""
    try:
        into.stat()
    except FileNotFoundError:
        pass  # it is made
    except OSError as error:  # links in a circle, too long a name
        raise InputError(f"--into {into}: cannot be found: {error.strerror}; choose another folder") from error
    place = into.resolve()
    if place == Path.cwd():
        raise InputError(f"--into {into}: is the current folder, and would be replaced; choose another folder")
    if place.is_relative_to(paths.root.resolve()) and not place.is_relative_to(paths.exports.resolve()):
        raise InputError(f"--into {into}: is in the results folder; choose a folder outside it, or below {paths.exports}")


def refuse_foreign(target: Path, kind: str) -> None:
    """Raises InputError if `target` holds anything but an export of this kind, StoreError if it cannot be read."""
    try:
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return
        if not target.is_dir():
            raise InputError(f"{target}: is a file; expected a folder")
        found = Marker.model_validate_json((target / MARKER).read_bytes())
        present = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    except FileNotFoundError as error:
        raise InputError(f"{target}: contains files that are not an export; choose another folder") from error
    except ValidationError as error:
        raise InputError(f"{target / MARKER}: is not valid, so the folder is not replaced; choose another folder") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be read: {error.strerror or error}") from error
    if found.kind != kind:
        raise InputError(f"{target}: contains an export to {found.kind}; choose another folder, or remove it")
    if added := sorted(present - {*found.files, MARKER, *LEFT_BY_TOOLS}):
        more = f" and {len(added) - 1} more files" if len(added) > 1 else ""
        raise InputError(f"{target}: {added[0]}{more} would be lost, as the export did not write it; move it elsewhere")


@contextmanager
def writing(target: Path, kind: str, names: Sequence[str], version: str) -> Iterator[Path]:
    """A new folder that takes the place of `target` when the block ends, and is removed if it raises.

    Raises InputError as `refuse_foreign` does, StoreError if the folder cannot be written.
    """
    target = target.resolve()  # what a link names is replaced, not the link
    refuse_foreign(target, kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        work = Path(mkdtemp(prefix=_prefix(target), dir=target.parent))
    except OSError as error:
        raise _unusable(target, error) from error
    try:
        with _held(work):
            new = work / NEW
            new.mkdir()
            yield new
            files = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
            marker = Marker(kind=kind, names=tuple(names), harness=version, files=tuple(files))
            (new / MARKER).write_text(marker.model_dump_json(by_alias=True, indent=1) + "\n")
            if target.exists():
                target.rename(work / OLD)
            new.rename(target)
    except OSError as error:
        raise _unusable(target, error) from error
    finally:
        if not target.exists() and (work / OLD).exists():  # interrupted between the two renames
            (work / OLD).rename(target)
        shutil.rmtree(work, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name}.export-"


def _unusable(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{error.filename or target}: cannot be written: {error.strerror or error}; choose another folder with --into"
    )


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Whoever writes a folder holds a lock on it, so that others see whether it is left over from a killed process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(target: Path) -> None:
    """Remove what killed exports to `target` left, and put back an export that they had moved away."""
    for folder in target.parent.glob(f"{escape(_prefix(target))}*"):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process writes it
            continue
        finally:
            os.close(descriptor)
        if not target.exists() and (folder / OLD).exists():
            (folder / OLD).rename(target)
        shutil.rmtree(folder, ignore_errors=True)
