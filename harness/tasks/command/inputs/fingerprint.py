"""Fingerprints of a program's input files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.common.patience import answered
from harness.common.results_root import create_folder
from harness.errors import DataError
from harness.tasks.command import knobs, template
from harness.tasks.command.code.place import checkout_of, marker_at
from harness.tasks.command.inputs.detection import detect
from harness.tasks.command.inputs.files import files_of, is_left_out
from harness.tasks.command.inputs.found import YAML_BELOW, Detected, Found, merged
from harness.tasks.command.inputs.words import named_files
from harness.tasks.command.model import Only, Program, Value
from harness.tasks.command.styles import printed
from harness.tasks.protocol import cache_folder

CHUNK = 1 << 20
SETTLED_S = 2.0  # files changed more recently may change again within the time resolution of the file system
PART = re.compile(r"(.+?) ([0-9a-f]{16})(?:, |$)")  # an input in a fingerprint: name and digest
NO_INPUTS = "no inputs"  # the fingerprint of a program without any


def fingerprint(program: Program, values: Mapping[str, Value]) -> str:
    """Each input with 16 hex digits of the SHA-256 of its content: `train.py 0f…, data 3c…`; `values` are those of the knobs
    and of the resources that the command names.

    For folders, the names of files count too. Raises DataError if the directory or an input is missing or unreadable.
    """
    directory = Path(program.directory)
    if not directory.is_dir():
        raise DataError(f"task.directory: folder not found: {directory}; use a folder, relative to the experiment file")
    names = [found.name for found in counted(program, values).found]
    return ", ".join(f"{name} {_content(directory, name, program.left_out)}" for name in names) or NO_INPUTS


def counted(program: Program, values: Mapping[str, Value]) -> Detected:
    """The inputs in the order of the fingerprint: the listed ones, then those detected that no listed file or folder covers.

    With `only`, the detected ones are those that settings name.
    """
    # A word with a seed, the run folder or the folder of a step in it is not an input.
    folders = (template.STEP + name for name in template.steps_in(program.command))
    of_the_start = (name for name in template.OF_THE_START if name not in program.knobs)
    given = {**dict.fromkeys((*knobs.RESERVED, *of_the_start, *folders), "\0"), "python": "\0python"}
    words = template.arguments(
        program.command, {name: program.knob(name) for name in program.knobs}, values, given, program.style
    )
    return _counted(program, words)


def detected(program: Program, words: Sequence[str]) -> Detected:
    """What counts unless `inputs` says otherwise."""
    variables = {name: printed(value) for name, value in program.environment.items()}
    listed = () if isinstance(program.inputs, Only) else program.listed
    try:
        return detect(words, Path(program.directory), variables, template.words_of(program.command), listed)
    except OSError as error:
        raise DataError(f"task.inputs: {error.filename} cannot be read: {error.strerror}; make it readable") from error


def counted_by_any(program: Program, variants: Iterable[Mapping[str, Value]]) -> Detected:
    """The inputs of all variants, each once; those of all variants first."""
    every = [counted(program, values) for values in variants]
    names = Counter(found.name for each in every for found in each.found)
    found = {found.name: found for each in every for found in each.found}
    inputs = sorted(found.values(), key=lambda one: names[one.name] < len(every))
    return Detected(tuple(inputs), tuple(dict.fromkeys(unknown for each in every for unknown in each.unknown)))


def changed(program: Program, planned: Sequence[str], found: str) -> list[str]:
    """The inputs in `found` whose content differs from the `planned` fingerprints, and where they are named; empty: none.

    New inputs count as changed (files that the program writes and its command names), except files that settings name.
    """
    known = {name: content for one in planned for name, content in PART.findall(one)}
    parts = PART.findall(found)
    if not planned or all(known.get(name) == content for name, content in parts):
        return []
    own = {each.name: each for each in _counted(program, _own_words(program)).found}
    differing = [name for name, content in parts if known.get(name, None if name in own else content) != content]
    return [f"{name} ({own[name].reason})" if name in own and own[name].by else name for name in differing]


def agreement(planned: str, found: str) -> int:
    """The number of inputs that two fingerprints have in common."""
    return len({*PART.findall(planned)} & {*PART.findall(found)})


def differences(stored: str, requested: str) -> str:
    """How two fingerprints of a program differ: `changed: train.py; new: model.py`. Empty if only the order does."""
    old, new = dict(PART.findall(stored)), dict(PART.findall(requested))
    groups = {
        "changed": [name for name in new if name in old and old[name] != new[name]],
        "new": [name for name in new if name not in old],
        "no longer counted": [name for name in old if name not in new],
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in groups.items() if names)


def covers(listed: Sequence[str], directory: Path, name: str) -> bool:
    """Whether one of the listed files and folders is, or contains, the input `name`."""
    path = Path(os.path.normpath(directory / name))
    return any(path.is_relative_to(os.path.normpath(directory / Path(each).expanduser())) for each in listed)


def _own_words(program: Program) -> list[str]:
    """The words of the command that do not depend on settings."""
    return [word for word in template.words_of(program.command) if word == "{python}" or not template.placeholders(word)]


def _counted(program: Program, words: Sequence[str]) -> Detected:
    directory = Path(program.directory)
    if isinstance(program.inputs, Only):
        literal = template.words_of(program.command)
        named = named_files([word for word in words if word not in literal], directory)
        more = Detected(tuple(Found(name, "setting") for name in named))
    else:
        more = detected(program, words)
    if program.repository is not None:
        more = _relative(more, directory)
        if not isinstance(program.inputs, Only):
            more = merged([more, _read_by_prepare(directory)])
    rest = (found for found in more.found if not covers(program.listed, directory, found.name))
    kept = (found for found in rest if not is_left_out(found.name, program.left_out))
    return Detected((*(Found(name, "listed") for name in program.listed), *kept), more.unknown)


def _relative(detected: Detected, directory: Path) -> Detected:
    """With names relative to `directory` also for files beside it in its checkout, whose place differs between machines."""
    top = checkout_of(directory)
    if top is None:
        return detected

    def relative(name: str) -> str:
        return os.path.relpath(name, directory) if Path(name).is_relative_to(top) else name

    found = (replace(each, name=relative(each.name), by=relative(each.by)) for each in detected.found)
    return Detected(tuple(found), detected.unknown)


def _read_by_prepare(directory: Path) -> Detected:
    """What the preparation of a version is known to read: other environments and programs are other code."""
    top = checkout_of(directory)
    marker = None if top is None else marker_at(top)
    if top is None or marker is None:
        return Detected()
    there = (top / name for name in marker.reads if (top / name).exists())
    return Detected(tuple(Found(os.path.relpath(path, directory), "named", "prepare") for path in there))


def _content(directory: Path, name: str, left_out: Sequence[str]) -> str:
    path = directory / Path(name).expanduser()
    try:
        return answered(path, lambda: _read_content(path, name, left_out))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = f"not found: {path}" if missing else f"{path} cannot be read: {error.strerror or error}"
        advice = "use paths relative to the program's directory"
        if missing and checkout_of(directory):
            advice += ", and list in link what git does not track"
        raise DataError(f"task.inputs: {name}: {what}; {advice}") from error


def _read_content(path: Path, name: str, left_out: Sequence[str]) -> str:
    files = files_of(path, left_out)
    if files == [path] and not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"task.inputs: {name}: {path} is a pipe or a device; use files and folders")
    listing = [_stamp(file) for file in files]
    listed = hashlib.sha256(json.dumps([str(path.resolve()), *listing]).encode()).hexdigest()
    kept = cache_folder() / "inputs" / f"{listed}.txt"
    with suppress(OSError):  # not cached
        return kept.read_text()
    found = _digest(path, files)
    if cache_folder().is_dir() and all(time.time_ns() - stamp[2] > SETTLED_S * 1e9 for stamp in listing):
        _keep(kept, found)
    return found


def _stamp(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns, status.st_ino


def _digest(path: Path, files: Sequence[Path]) -> str:
    whole, top = hashlib.sha256(), Path(str(path).removesuffix(YAML_BELOW))
    for file in files:
        own = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                own.update(chunk)
        name = "" if file == path else file.relative_to(top).as_posix()
        whole.update(f"{name}\0{own.hexdigest()}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()[:16]


def _keep(kept: Path, found: str) -> None:
    """Cache a digest, so that the next run need not read the files. Errors are ignored."""
    with suppress(OSError):
        create_folder(kept.parent)
        made = kept.with_name(f".{kept.name}.{os.getpid()}")
        made.write_text(found)
        made.replace(kept)
