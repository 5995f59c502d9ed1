"""Atomic writes of cache files."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.common.patience import is_transient, unusable
from harness.common.results_root import create_folder
from harness.errors import DataError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that replaces `path` if the block succeeds; on an error `path` is unchanged.

    Safe with several processes: each has its own temporary name, and the last rename wins.
    Raises DataError when the cache cannot be written, StoreError when its folder does not respond.
    """
    making = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        create_folder(path.parent)
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
        if is_transient(error):
            raise unusable(path, "be written", error) from error
        raise DataError(
            f"cannot write {path} in the cache: {error.strerror or error}; "
            "free disk space, or set HARNESS_CACHE to a writable folder"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON. Raises DataError when the cache cannot be written."""
    with replacing(path) as file:
        file.write(json.dumps(value).encode())


def read_json(path: Path) -> Any:
    """What `path` holds; None if it is missing, unreadable or not JSON."""
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
