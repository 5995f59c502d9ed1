"""A program's inputs on the disk -> a text that changes with their content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from harness.errors import DataError
from harness.tasks.command import knobs, template
from harness.tasks.command.model import Program, Scalar
from harness.tasks.command.sources import files_below, named_files, program_files
from harness.tasks.protocol import cache_folder

CHUNK = 1 << 20
SETTLED_S = 2.0  # files that changed later than this ago may change again within the file system's resolution of time
PART = re.compile(r"(.+?) ([0-9a-f]{16})(?:, |$)")  # an input of a fingerprint: its name, and its content's digest
NOTHING = "no inputs"  # the fingerprint of a program without any


def fingerprint(program: Program, values: Mapping[str, Scalar]) -> str:
    """Each input with 16 hex digits of the SHA-256 of its content: `train.py 0f…, data 3c…`; `values` are those of the knobs.

    Of a folder the files' names count too. Where the program names no inputs, they are the files that its command names and what
    these import; files that knobs name count always. Raises DataError where the directory or an input is missing or cannot be
    read.
    """
    directory = Path(program.directory)
    if not directory.is_dir():
        raise DataError(f"task.directory: no folder {directory}; allowed: a folder, relative to the experiment's file")
    return ", ".join(f"{name} {_content(directory, name)}" for name in _names(program, directory, values)) or NOTHING


def changed(program: Program, planned: Sequence[str], found: str) -> list[str]:
    """The inputs in `found` that had other content in the fingerprints that were `planned`; none where nothing was.

    Also those that were not there: files that the program writes where its command names them. Files that knobs name may be new.
    """
    known = {name: content for one in planned for name, content in PART.findall(one)}
    own = _own_names(program, Path(program.directory)) if planned else ()
    return [name for name, content in PART.findall(found) if known.get(name, None if name in own else content) != content]


def _own_names(program: Program, directory: Path) -> tuple[str, ...]:
    """The inputs that the program has whatever its knobs are."""
    words = [word for word in template.words_of(program.command) if not template.placeholders(word)]
    return program_files(words, directory) if program.inputs is None else tuple(program.inputs)


def _names(program: Program, directory: Path, values: Mapping[str, Scalar]) -> tuple[str, ...]:
    # What is not known yet is no path: a word with a seed or a run's own folder in it names no input.
    given = dict.fromkeys(knobs.RESERVED, "\0")
    words = template.arguments(program.command, {name: program.knob(name) for name in program.knobs}, values, given)
    if program.inputs is None:
        return program_files(words, directory)
    literal = template.words_of(program.command)
    by_knobs = named_files([word for word in words if word not in literal], directory)
    covered = [PurePath(directory, name) for name in program.inputs]
    more = [name for name in by_knobs if not any(PurePath(directory, name).is_relative_to(path) for path in covered)]
    return (*program.inputs, *more)


def _content(directory: Path, name: str) -> str:
    path = directory / Path(name).expanduser()
    try:
        files = sorted(files_below(path), key=lambda file: file.relative_to(path).as_posix()) if path.is_dir() else [path]
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
