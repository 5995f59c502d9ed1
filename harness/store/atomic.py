"""Write files atomically: readers see the complete old or the complete new file.

A file is written under a unique temporary name in its own folder, flushed to the disk, and renamed (or linked). A `Fence` makes
that safe against a writer that was paused and replaced meanwhile: its temporary file carries the number of its lease and is
checked *after* it exists and *before* it is renamed. The new holder first takes the lease, then deletes lower-numbered temporary
files. So the late rename of a replaced writer always fails: its temporary file is gone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import StoreError

ModelT = TypeVar("ModelT", bound=BaseModel)
Writer = Callable[[int, memoryview], int]

TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{16}\.tmp")

REPLACED = (errno.ENOENT, errno.ESTALE)  # another machine removed or replaced the file; ESTALE: over NFS, while it was read
TRANSIENT = (errno.ESTALE, errno.EIO, errno.ETIMEDOUT)  # a shared folder is temporarily unavailable

ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and start again, finished runs and checkpoints are kept",
    errno.EDQUOT: "your quota is used up; free some space and start again, finished runs and checkpoints are kept",
    errno.EACCES: "this user has no access; change the permissions, or choose another folder with --results",
    errno.EPERM: "not permitted; change the permissions, or choose another folder with --results",
    errno.EROFS: "the file system is read-only; choose another folder with --results",
    errno.ENOTDIR: "a parent in the path is a file; move it, or choose another folder with --results",
    **dict.fromkeys(TRANSIENT, "the disk or the shared folder does not respond; finished runs and checkpoints are kept"),
}


class Fence(Protocol):
    """The right to write until another holder takes over."""

    @property
    def number(self) -> int:
        """Increases with every holder; part of the names of temporary files."""

    def check(self) -> None:
        """Raise an error if a later holder exists."""


def write_bytes(path: Path, data: bytes | memoryview, fence: Fence | None = None, write: Writer = os.write) -> None:
    """Replace `path` by a file that holds `data`. Raises StoreError and what `fence.check` raises; leaves no temporary file."""
    with _temporary(path, data, fence, write) as temporary:
        temporary.replace(path)
        _flush_folder(path.parent)


def write_text(path: Path, text: str, fence: Fence | None = None) -> None:
    """`write_bytes` in UTF-8."""
    write_bytes(path, text.encode(), fence)


def write_json(path: Path, value: BaseModel | Any, fence: Fence | None = None) -> None:
    """`write_bytes` of a model or plain values as indented JSON. Raises ValueError for NaN and infinity."""
    write_bytes(path, to_json(value), fence)


def publish(path: Path, data: bytes, fence: Fence | None = None, *, durable: bool = True) -> bool:
    """Create `path` with `data` unless it exists. Exactly one of many writers gets True (link(2) is atomic, on NFS too).

    Not `durable`: a power cut may lose it.
    """
    with _temporary(path, data, fence, os.write, durable=durable) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            # If a reply is lost, the NFS client links twice: then the existing file is ours.
            return temporary.stat().st_nlink == 2
        if durable:
            _flush_folder(path.parent)
        return True


def to_json(value: BaseModel | Any) -> bytes:
    """Indented JSON with a final newline."""
    plain = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    return (json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path, model: type[ModelT]) -> ModelT:
    """Read and validate `path`. Raises FileNotFoundError; StoreError if it is damaged or from a newer version."""
    return parse_json(read_bytes(path), path, model)


def read_bytes(path: Path) -> bytes:
    """The content of `path`. Raises FileNotFoundError, StoreError."""
    return read_with_status(path)[0]


def read_with_status(path: Path) -> tuple[bytes, os.stat_result]:
    """The content of `path`, and its size and time. Raises FileNotFoundError, StoreError."""
    try:
        return _read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(path, "be read", error) from error


def parse_json(data: bytes, path: Path, model: type[ModelT]) -> ModelT:
    """Validate `data`, which was read from `path`. Raises StoreError."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        newer = _schema(data)
        if newer is not None and newer > 1:
            raise StoreError(
                f"{path}: written by a newer version (schema {newer}, this one reads 1); update the harness"
            ) from error
        first = error.errors(include_url=False)[0]
        what = ".".join(str(part) for part in first["loc"]) + ": " + first["msg"]
        advice = "restore it from a copy, or move it elsewhere so that it is created again"
        raise StoreError(f"{path}: damaged ({what.removeprefix(': ')}); {advice}") from error


def digest(path: Path) -> str:
    """SHA-256 of the file. Raises StoreError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unusable(path, "be read", error) from error


def make_folder(path: Path) -> None:
    """Create the folder `path` if it is missing. Raises StoreError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, "be created", error) from error


def names(folder: Path) -> list[str]:
    """The names in `folder`, in no order; none if it does not exist. Raises StoreError."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - one object a name would be made for nothing
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unusable(folder, "be read", error) from error


def status(path: Path) -> os.stat_result | None:
    """Size, time and inode of `path`, links followed; None if it does not exist. Raises StoreError."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unusable(path, "be read", error) from error


def exists(path: Path) -> bool:
    """Whether `path` exists. Raises StoreError."""
    return status(path) is not None


def remove(path: Path) -> None:
    """Delete `path` if it exists. Raises StoreError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unusable(path, "be removed", error) from error


def remove_folder(folder: Path) -> None:
    """Delete `folder` and its contents if it exists. Raises StoreError."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unusable(folder, "be removed", error) from error


def remove_temporaries(folder: Path, present: Iterable[str], below: int) -> None:
    """Delete the temporary files of writers with a fence number below `below`, of the names that are `present` in `folder`.

    Raises StoreError.
    """
    for name in present:
        match = TEMPORARY.fullmatch(name)
        if match and int(match[1]) < below:
            remove(folder / name)


def is_transient(error: StoreError) -> bool:
    """Whether retrying may succeed."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in TRANSIENT


def unusable(path: Path, what: str, error: OSError) -> StoreError:
    """`error` as a StoreError: which file, what failed, what to do."""
    advice = ADVICE.get(error.errno or 0, "fix the cause and start again, finished runs and checkpoints are kept")
    return StoreError(f"{path}: cannot {what}: {os.strerror(error.errno) if error.errno else error}: {advice}")


@contextmanager
def _temporary(
    path: Path, data: bytes | memoryview, fence: Fence | None, write: Writer, *, durable: bool = True
) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{fence.number if fence else 0}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            _write_whole(temporary, data, write, durable)
            if fence is not None:
                fence.check()
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if fence is not None:
            fence.check()  # a later holder removed the temporary file: not a disk error
        raise unusable(path, "be written", error) from error


def _write_whole(path: Path, data: bytes | memoryview, write: Writer, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[write(descriptor, remaining) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        return _read_once(path)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    return _read_once(path)  # another machine replaced the file while it was read: open the new one


def _read_once(path: Path) -> tuple[bytes, os.stat_result]:
    # As few calls as possible, since each may be a request to a file server.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        file = os.fstat(descriptor)
        parts = []
        while part := os.read(descriptor, max(file.st_size + 1, 4096)):
            parts.append(part)
            if len(part) == file.st_size:
                break
        return b"".join(parts), file
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _schema(data: bytes) -> int | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    schema = value.get("schema") if isinstance(value, dict) else None
    return schema if isinstance(schema, int) else None
