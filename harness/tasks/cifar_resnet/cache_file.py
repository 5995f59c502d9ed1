"""Bytes -> a file of the cache, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import DataError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` when the block ends well; until then, and on any error, `path` stays as it was.

    Any number of processes may do so at once: each writes under a name of its own, the last one renamed stays.
    Raises DataError when the cache cannot be written.
    """
    making = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with making.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            making.replace(path)
            _sync_folder(path.parent)
        finally:
            making.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write {path} in the cache: {error.strerror or error}; "
            "make room there, or set HARNESS_CACHE to a folder that can be written"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON. Raises DataError when the cache cannot be written."""
    with replacing(path) as file:
        file.write(json.dumps(value).encode())


def read_json(path: Path) -> Any:
    """What `path` holds; None when it is missing, unreadable or no JSON: a cache that is no use is made again."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
