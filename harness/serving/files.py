"""The path of a request -> the content of a file that may be shown. Everything that is not listed here does not exist.

Shown are reports, plans, searches, and of each run what was measured and printed. Checkpoints, files of programs, caches, code
and whatever else lies in a results folder are not, nor is anything that a link leads to outside it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.common.patience import is_transient, unusable
from harness.serving.requests import not_found
from harness.store.paths import RUN_ID, RunPaths

TEXT = "text/plain; charset=utf-8"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    **dict.fromkeys((".md", ".tex", ".csv", ".txt", ".jsonl"), TEXT),
}
REPORT_FILES = frozenset(TYPES) - {".jsonl"}
_RUN = RunPaths(Path())
RUN_FILES = tuple(path.name for path in (_RUN.result, _RUN.metrics, _RUN.spec, _RUN.provenance, _RUN.log))
LARGEST_BYTES = 256 * 2**20  # a log may be larger: its end is on the page of its run


@dataclass(frozen=True)
class FileContent:
    """The content of a file, its type, and a tag that changes with it."""

    data: bytes
    type: str
    tag: str


def is_shown(parts: Sequence[str]) -> bool:
    """Whether a file with these parts of a path, relative to the results folder, may be shown."""
    match tuple(parts):
        case ("reports", name) | ("reports", _, name) | ("reports", _, "figures", name):
            return Path(name).suffix in REPORT_FILES
        case ("plans", name):
            return Path(name).suffix == ".json"
        case ("studies", _, "search.json"):
            return True
        case ("runs", run_id, name):
            return RUN_ID.fullmatch(run_id) is not None and name in RUN_FILES
    return False


def read(root: Path, parts: Sequence[str]) -> FileContent:
    """The file below `root`. Raises Refused if there is none that may be shown, StoreError if it cannot be read."""
    if not is_shown(parts):
        raise not_found()
    path = root.joinpath(*parts)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if is_transient(error):
            raise unusable(path, "be read", error) from error
        raise not_found() from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_BYTES or not _is_below(descriptor, root):
            raise not_found()
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(found.st_size)  # a log that grows meanwhile is read up to here
    except OSError as error:
        raise unusable(path, "be read", error) from error
    finally:
        with suppress(OSError):
            os.close(descriptor)
    return FileContent(data, TYPES[path.suffix], tag_of(data))


def tag_of(data: bytes) -> str:
    """An HTTP entity tag."""
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


def _is_below(descriptor: int, root: Path) -> bool:
    """Whether the open file lies in the folder, wherever links led to it: asked of the kernel, so that nobody can swap it."""
    return Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(root.resolve())
