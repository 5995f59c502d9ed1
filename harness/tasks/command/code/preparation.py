"""Runs `prepare`, the command that makes a checkout ready, once for each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from harness.errors import InputError
from harness.tasks.command import template
from harness.tasks.command.inputs.detection import detect
from harness.tasks.command.program import RunningProgram
from harness.tasks.protocol import TrainingFailed

# At the top of a version: what installers and builders read without being told.
BUILT_FROM = (
    *("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "constraints*.txt", ".python-version", "Pipfile"),
    *("*.lock", "environment*.yml", "environment*.yaml", "*-lock.yml", "pixi.toml"),
    *("Makefile", "makefile", "GNUmakefile", "CMakeLists.txt", "meson.build", "Cargo.toml"),
)
TAIL = 4096  # [bytes] of its output in a message
LINES = 15


def read_by(line: str, folder: Path) -> tuple[str, ...]:
    """The files in a version, before it is prepared, that the command `line` reads: those that it names or that its scripts lead
    to, and those by which tools are known to build environments and programs. Relative to `folder`, sorted.
    """
    found = (one.name for one in detect(template.arguments(line, {}, {}, {"python": "\0python"}), folder).found)
    known = (path.name for path in folder.iterdir() if path.is_file() and any(fnmatch(path.name, name) for name in BUILT_FROM))
    return tuple(sorted({name for name in (*found, *known) if not Path(name).is_absolute()}))


def prepare(line: str, folder: Path, environment: Mapping[str, str], log: Path, commit: str) -> None:
    """Run the command `line` in `folder`; its output is in `log`. Raises InputError if it fails.

    If this process is killed or interrupted, the command ends, too.
    """
    words = template.arguments(line, {}, {}, {"python": sys.executable})
    if shutil.which(words[0], path=environment.get("PATH")) is None and not (folder / words[0]).is_file():
        raise InputError(f"task.prepare: {words[0]!r}: not found on this machine's PATH; install it, or change prepare")
    print(f"preparing {commit[:7]}: {line}   (output in {log})", file=sys.stderr, flush=True)
    tail = bytearray()
    with log.open("wb") as file:

        def take(printed: bytes, _appended: bytes = b"") -> None:
            file.write(printed)
            file.flush()
            tail.extend(printed)
            del tail[:-TAIL]

        try:
            program = RunningProgram(words, folder, environment)
            try:
                while (data := program.read(0.5)) is not None:
                    take(data)
                code = program.wait(10.0).code
            finally:
                program.end(take)
        except TrainingFailed as error:
            raise InputError(f"task.prepare: {line}: {error}; correct it, or remove prepare") from error
    if code != 0:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = "\n".join(f"  {text}" for text in bytes(tail).decode(errors="replace").splitlines()[-LINES:])
        raise InputError(f"task.prepare: {line}: {how} for the version {commit[:7]} (all output: {log}):\n{said}")
