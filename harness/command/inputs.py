"""A program's inputs on the disk -> a text that changes with their content."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness.command import template
from harness.command.model import Program
from harness.errors import DataError
from harness.task import cache_folder

CHUNK = 1 << 20
SETTLED_S = 2.0  # files that changed later than this ago may change again within the file system's resolution of time
# Written by tools beside the code, and no part of it.
PASSED_OVER = frozenset({"__pycache__", ".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"})


def fingerprint(program: Program) -> str:
    """Each input with 16 hex digits of the SHA-256 of its content: `train.py 0f…, data 3c…`.

    Of a folder the files' names count too. Where the program names no inputs, they are the files in its command. Raises DataError
    where the directory or an input is missing or cannot be read.
    """
    directory = Path(program.directory)
    if not directory.is_dir():
        raise DataError(f"task.directory: no folder {directory}; allowed: a folder, relative to the experiment's file")
    names = program.inputs if program.inputs is not None else files_named(program)
    return ", ".join(f"{name} {_content(directory, name)}" for name in names) or "no inputs"


def files_named(program: Program) -> tuple[str, ...]:
    """The words of the command that are files below its directory, each once."""
    return files_in(program.command, Path(program.directory))


def files_in(command: str, directory: Path) -> tuple[str, ...]:
    """The words of a command line that are files below `directory`, each once. Raises ValueError: no command line."""
    words = [word for word in template.words_of(command) if not template.placeholders(word) and not word.startswith("-")]
    return tuple(dict.fromkeys(word for word in words if not Path(word).is_absolute() and (directory / word).is_file()))


def _content(directory: Path, name: str) -> str:
    path = directory / Path(name).expanduser()
    try:
        files = sorted(_files(path), key=lambda file: file.relative_to(path).as_posix()) if path.is_dir() else [path]
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise DataError(f"task.inputs: {name}: {path} is a pipe or a device; allowed: files and folders")
        listing = [_stamp(file) for file in files]
        listed = hashlib.sha256(json.dumps([str(path.resolve()), *listing]).encode()).hexdigest()
        kept = cache_folder() / "inputs" / f"{listed}.txt"
        with suppress(OSError):  # not there yet: read the files
            return kept.read_text()
        found = _digest(path, files)
        if cache_folder().is_dir() and all(time.time_ns() - stamp[2] > SETTLED_S * 1e9 for stamp in listing):
            _keep(kept, found)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = f"no file or folder {path}" if missing else f"{path} cannot be read: {error.strerror or error}"
        raise DataError(f"task.inputs: {name}: {what}; allowed: what lies below the program's directory") from error
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, through links to folders too, each folder once."""
    seen: set[str] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_raised):
        real = os.path.realpath(top)
        folders[:] = sorted(name for name in folders if name not in PASSED_OVER) if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            file = Path(top) / name
            if name not in PASSED_OVER and file.suffix != ".pyc" and file.is_file():
                yield file


def _raised(error: OSError) -> None:
    raise error


def _stamp(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns, status.st_ino


def _digest(path: Path, files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        own = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                own.update(chunk)
        name = "" if file == path else file.relative_to(path).as_posix()
        whole.update(f"{name}\0{own.hexdigest()}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()[:16]


def _keep(kept: Path, found: str) -> None:
    """Remember a digest: the next run need not read the files again. A folder that cannot be written costs time, nothing else."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f".{kept.name}.{os.getpid()}")
        made.write_text(found)
        made.replace(kept)
