"""Fingerprints of a program's input files."""

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
SETTLED_S = 2.0  # files changed more recently may change again within the time resolution of the file system
PART = re.compile(r"(.+?) ([0-9a-f]{16})(?:, |$)")  # an input in a fingerprint: name and digest
NO_INPUTS = "no inputs"  # the fingerprint of a program without any


def fingerprint(program: Program, values: Mapping[str, Scalar]) -> str:
    """Each input with 16 hex digits of the SHA-256 of its content: `train.py 0f…, data 3c…`; `values` are those of the knobs.

    For folders, the names of files count too. Without declared inputs these are the files that the command names, and their
    imports; files that knobs name are always included. Raises DataError if the directory or an input is missing or unreadable.
    """
    directory = Path(program.directory)
    if not directory.is_dir():
        raise DataError(f"task.directory: folder not found: {directory}; use a folder, relative to the experiment file")
    return ", ".join(f"{name} {_content(directory, name)}" for name in _names(program, directory, values)) or NO_INPUTS


def changed(program: Program, planned: Sequence[str], found: str) -> list[str]:
    """The inputs in `found` whose content differs from the `planned` fingerprints; empty if there are none.

    New inputs count as changed (files that the program writes and its command names), except files that knobs name.
    """
    known = {name: content for one in planned for name, content in PART.findall(one)}
    own = _own_names(program, Path(program.directory)) if planned else ()
    return [name for name, content in PART.findall(found) if known.get(name, None if name in own else content) != content]


def _own_names(program: Program, directory: Path) -> tuple[str, ...]:
    """The inputs that do not depend on knobs."""
    words = [word for word in template.words_of(program.command) if not template.placeholders(word)]
    return program_files(words, directory) if program.inputs is None else tuple(program.inputs)


def _names(program: Program, directory: Path, values: Mapping[str, Scalar]) -> tuple[str, ...]:
    # A word with a seed, the run folder or the folder of a step in it is not an input.
    given = dict.fromkeys((*knobs.RESERVED, *(template.STEP + name for name in template.steps_in(program.command))), "\0")
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
            raise DataError(f"task.inputs: {name}: {path} is a pipe or a device; use files and folders")
        listing = [_stamp(file) for file in files]
        listed = hashlib.sha256(json.dumps([str(path.resolve()), *listing]).encode()).hexdigest()
        kept = cache_folder() / "inputs" / f"{listed}.txt"
        with suppress(OSError):  # not cached
            return kept.read_text()
        found = _digest(path, files)
        if cache_folder().is_dir() and all(time.time_ns() - stamp[2] > SETTLED_S * 1e9 for stamp in listing):
            _keep(kept, found)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = f"not found: {path}" if missing else f"{path} cannot be read: {error.strerror or error}"
        raise DataError(f"task.inputs: {name}: {what}; use paths relative to the program's directory") from error
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
    """Cache a digest, so that the next run need not read the files. Errors are ignored."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f".{kept.name}.{os.getpid()}")
        made.write_text(found)
        made.replace(kept)
