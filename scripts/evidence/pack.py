"""The folder of results and evidence -> a folder of what is to be kept, and the same as tar files of limited size.

The copy has the layout of the original: copied back to where `--results` points, it is continued. Left out are checkpoints,
caches, pictures that the reports hold anyway, and of unfinished runs everything.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evidence.settings import DOCUMENT

LARGEST_TAR = 15 << 20  # bytes: machines that return files return at most 16 MiB of each
MOST_TARS = 8  # and at most eight
ROOM = 64 << 10  # left in a tar for its end and for what the compression still holds
RUN_FILES = ("spec.json", "provenance.json", "result.json", "metrics.jsonl", "log.txt")
PREDICTIONS = "predictions.npz"
WHOLE = ("plans", "studies", "ledger", "environments", "reports")  # folders of the results folder
MARKER = ".harness-folder.json"  # by which workers recognize their results folder
SKIPPED = {".png", ".pt", ".tmp"}
SUMMARY = "summary.txt"
TAR = "evidence-{}.tar.gz"


def pack(folder: Path, target: Path, tars: Path, document: Mapping[str, Any], summary: str) -> list[str]:
    """Bring `target` and the tar files in `tars` up to date. Returns what did not fit into the tar files.

    `document` and `summary` become evidence.json and summary.txt. Files that have not changed are not copied again. A file
    appears complete or not at all, so a pack that is interrupted leaves a usable one.
    """
    target.mkdir(parents=True, exist_ok=True)
    _write(target / DOCUMENT, (json.dumps(document, indent=2) + "\n").encode())
    _write(target / SUMMARY, summary.encode())
    names = [*_important(folder), *_predictions(folder)]
    for name in names:
        _copy(folder / name, target / name)
    names = [name for name in names if (target / name).is_file()]  # some may have been replaced by other names meanwhile
    _remove_others(target, set(names))
    return write_tars(target, tars, [SUMMARY, DOCUMENT, *names])


def write_tars(folder: Path, tars: Path, names: Sequence[str], largest: int = LARGEST_TAR, most: int = MOST_TARS) -> list[str]:
    """Write the files of `folder` to evidence-1.tar.gz, evidence-2.tar.gz ..., each complete in itself, in this order.

    Returns the names of those that do not fit: larger than one tar file, or after the last one.
    """
    tars.mkdir(parents=True, exist_ok=True)
    left, left_out, number = list(names), [], 0
    while left and number < most:
        number += 1
        left, too_large = _write_tar(folder, tars / TAR.format(number), left, largest)
        left_out += too_large
    for later in range(number + 1, most + 1):
        (tars / TAR.format(later)).unlink(missing_ok=True)
    return left_out + left


def _write_tar(folder: Path, path: Path, names: Sequence[str], largest: int) -> tuple[list[str], list[str]]:
    """As many of the files as fit, in their order. Returns those for the next tar file, and those that fit none."""
    temporary = path.with_name(f".{path.name}.tmp")
    too_large = []
    left: list[str] = []
    with temporary.open("wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
        for place, name in enumerate(names):
            size = (folder / name).stat().st_size  # compressed it is smaller, but nobody knows by how much
            if size + ROOM > largest:
                too_large.append(name)
            elif file.tell() + size + ROOM > largest:
                left = list(names[place:])
                break
            else:
                archive.add(folder / name, name, recursive=False)
    temporary.replace(path)
    return left, too_large


def _important(folder: Path) -> Iterator[str]:
    """The small files, by their names below `folder`: records, reports and plans, then finished runs."""
    yield from _files(folder, folder / "evidence", without=("resume", "lock"))
    results = folder / "results"
    for name in WHOLE:
        yield from _files(folder, results / name)
    if (results / MARKER).is_file():
        yield f"results/{MARKER}"
    for run in _finished(results):
        yield from (f"results/runs/{run}/{name}" for name in RUN_FILES if (results / "runs" / run / name).is_file())


def _predictions(folder: Path) -> Iterator[str]:
    results = folder / "results"
    for run in _finished(results):
        if (results / "runs" / run / PREDICTIONS).is_file():
            yield f"results/runs/{run}/{PREDICTIONS}"


def _finished(results: Path) -> list[str]:
    return sorted(path.parent.name for path in (results / "runs").glob("*/result.json"))


def _files(folder: Path, below: Path, without: Sequence[str] = ()) -> Iterator[str]:
    for parent, folders, names in os.walk(below):
        folders[:] = sorted(name for name in folders if name not in without)
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix not in SKIPPED and not name.startswith(".") and name not in without and path.is_file():
                yield str(path.relative_to(folder))


def _copy(source: Path, target: Path) -> None:
    """Copy a file unless the copy has its size and time. What another process has just removed is left out."""
    with suppress(FileNotFoundError):
        status = source.stat()
        with suppress(FileNotFoundError):
            there = target.stat()
            if (there.st_size, there.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.copy2(source, temporary)
        temporary.replace(target)


def _remove_others(target: Path, names: set[str]) -> None:
    """Remove copies of files that the original no longer has; nothing but evidence and results is looked at."""
    for top in ("evidence", "results"):
        for parent, _, files in os.walk(target / top):
            for name in files:
                path = Path(parent, name)
                if str(path.relative_to(target)) not in names:
                    path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
