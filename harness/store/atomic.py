"""Files of the results folder: written atomically, so that readers see the complete old or the complete new file, and read.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed (or linked);
`harness.store.temporaries` says how a writer that was replaced is stopped. While a shared folder does not respond, everything
here is repeated for a while (`harness.common.patience`), with care for steps that happened although their reply was lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.common import patience, shared_files
from harness.common.patience import performed, repeat
from harness.common.results_root import create_folder
from harness.common.undecodable import SHOWN
from harness.errors import StoreError
from harness.store.temporaries import TEMPORARY, Fence, Writer, discard, flush_folder, link, written

ModelT = TypeVar("ModelT", bound=BaseModel)
unusable, is_transient = patience.unusable, patience.is_transient
read_bytes, read_start, read_with_status = shared_files.read_bytes, shared_files.read_start, shared_files.read_with_status
names, matches = shared_files.names, shared_files.matches
status, exists, is_file, is_folder = shared_files.status, shared_files.exists, shared_files.is_file, shared_files.is_folder


def write_bytes(
    path: Path, data: bytes | memoryview, fence: Fence | None = None, write: Writer = os.write, *, flush_name: bool = True
) -> None:
    """Replace `path` by a file that holds `data`. Raises StoreError and what `fence.check` raises; leaves no temporary file.

    Without `flush_name` a power cut may undo it, until `flush_names` or a later write to the folder; never leaves half a file.
    """

    def once() -> None:
        temporary = written(path, data, fence, write)
        try:
            temporary.replace(path)
        except OSError:
            discard(temporary)
            raise
        if flush_name:
            flush_folder(path.parent)

    with _errors_of(path, fence):
        repeat(path, once)


def write_text(path: Path, text: str, fence: Fence | None = None, *, flush_name: bool = True) -> None:
    """`write_bytes` in UTF-8, with bytes of paths that are not UTF-8 as `undecodable.shown` escapes them."""
    write_bytes(path, text.encode(errors=SHOWN), fence, flush_name=flush_name)


def write_json(path: Path, value: BaseModel | Any, fence: Fence | None = None, *, flush_name: bool = True) -> None:
    """`write_bytes` of a model or plain values as indented JSON. Raises ValueError for NaN and infinity."""
    write_bytes(path, to_json(value), fence, flush_name=flush_name)


def flush_names(folder: Path) -> None:
    """Wait until files that were written to `folder` without flushing their names are on the disk. Raises StoreError."""
    try:
        repeat(folder, lambda: flush_folder(folder))
    except OSError as error:
        raise unusable(folder, "be written", error) from error


def publish(path: Path, data: bytes, fence: Fence | None = None, *, durable: bool = True) -> bool:
    """Create `path` with `data` unless it exists. Exactly one of many writers gets True (link(2) is atomic, on NFS too).

    Not `durable`: a power cut may lose it.
    """
    with _errors_of(path, fence):
        temporary = repeat(path, lambda: written(path, data, fence, os.write, durable=durable))
        try:
            return repeat(path, lambda: link(temporary, path, durable=durable))
        finally:
            discard(temporary)


def to_json(value: BaseModel | Any) -> bytes:
    """Indented JSON with a final newline. Strings must be Unicode: see `undecodable.shown`."""
    plain = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    return (json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path, model: type[ModelT]) -> ModelT:
    """Read and validate `path`. Raises FileNotFoundError; StoreError if it is damaged or from a newer version."""
    return parse_json(read_bytes(path), path, model)


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

    def once() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    try:
        return repeat(path, once)
    except OSError as error:
        raise unusable(path, "be read", error) from error


def make_folder(path: Path) -> None:
    """Create the folder `path` if it is missing, but never a results folder that was moved or unmounted. Raises StoreError."""
    try:
        repeat(path, lambda: create_folder(path))
    except OSError as error:
        raise unusable(path, "be created", error) from error


def remove(path: Path) -> None:
    """Delete `path` if it exists. Raises StoreError."""
    performed(path, lambda: path.unlink(missing_ok=True), "be removed")


def remove_folder(folder: Path) -> None:
    """Delete `folder` and its contents if it exists. Raises StoreError."""
    with suppress(FileNotFoundError):
        performed(folder, lambda: shutil.rmtree(folder), "be removed")


def move(source: Path, target: Path) -> None:
    """Rename `source`, replacing a file `target`. Raises FileNotFoundError; StoreError if it cannot be."""
    inode = performed(source, source.stat, "be archived").st_ino
    performed(source, lambda: _move(source, target, inode), "be archived")


def remove_temporaries(folder: Path, present: Iterable[str], below: int) -> None:
    """Delete the temporary files of writers with a fence number below `below`, of the names that are `present` in `folder`.

    Raises StoreError.
    """
    for name in present:
        match = TEMPORARY.fullmatch(name)
        if match and int(match[1]) < below:
            remove(folder / name)


@contextmanager
def _errors_of(path: Path, fence: Fence | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if fence is not None:
            fence.check()  # a later holder removed the temporary file: not a disk error
        raise unusable(path, "be written", error) from error


def _move(source: Path, target: Path, inode: int) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        # If a reply was lost, it was moved already.
        if (found := status(target)) is None or found.st_ino != inode:
            raise


def _schema(data: bytes) -> int | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    schema = value.get("schema") if isinstance(value, dict) else None
    return schema if isinstance(schema, int) else None
