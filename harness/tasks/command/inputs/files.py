"""Files on disk: what is one, what kind it is, what is below a folder, and its name in a fingerprint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Literal

from harness.tasks.command.inputs.found import YAML_BELOW

# Written by tools; not part of the code.
IGNORED = frozenset({"__pycache__", ".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"})
COMPILED = b"\x7fELF"
Kind = Literal["python", "shell", "configuration", "other"]
KINDS: dict[str, Kind] = {
    **dict.fromkeys((".py", ".pyw"), "python"),
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh"), "shell"),
    **dict.fromkeys((".yaml", ".yml", ".json", ".toml"), "configuration"),
}
LARGEST_EXPERIMENT = 1 << 20  # [bytes]
SYSTEM = (("/", "usr"), ("/", "etc"), ("/", "opt"))
LARGEST_SCRIPT = 1 << 20  # [bytes]
SHEBANG = re.compile(rb"#!.*?\b(?:(python)|(?:ba|da|z|k)?sh\b)")


def kind_of(path: Path) -> Kind:
    """By the name's ending, else by the first line."""
    if path.suffix in KINDS:
        return KINDS[path.suffix]
    start = SHEBANG.match(beginning(path))
    return "other" if start is None else "python" if start[1] else "shell"


def beginning(path: Path) -> bytes:
    """The first 80 bytes; none if it cannot be read. Cached as long as size and time stay the same."""
    stamp = stamp_of(path)
    return b"" if stamp is None else _beginning(*stamp)


@lru_cache(maxsize=4096)
def _beginning(file: str, _size: int, _modified: int) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            return stream.read(80)
    except OSError:
        return b""


def stamp_of(path: Path) -> tuple[str, int, int] | None:
    """Path, size and time of a file, the keys under which what was read from it is cached; None if it was removed."""
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_size, status.st_mtime_ns


def is_file(path: Path) -> bool:
    """Whether it is a file; False for invalid paths, where Path.is_file raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether it is a folder; False for invalid paths."""
    return os.path.isdir(path)  # noqa: PTH112


def is_installed(text: str) -> bool:
    """Whether it is a compiled program with an absolute path, such as an interpreter; these differ between machines."""
    if not Path(text).is_absolute():
        return False
    try:
        with Path(text).open("rb") as file:
            return file.read(len(COMPILED)) == COMPILED
    except OSError:  # the program cannot read it either
        return True


def is_of_environment(path: Path) -> bool:
    """Whether a file is of the system or of a virtual environment (`.venv/bin/activate`): these differ between machines."""
    return path.parts[:2] in SYSTEM or is_file(path.parent.parent / "pyvenv.cfg")


def text_of(path: Path) -> str:
    """The text of a script; empty if it cannot be read or is too large for one."""
    try:
        return path.read_text(errors="replace") if path.stat().st_size <= LARGEST_SCRIPT else ""
    except OSError:
        return ""


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files that a shell's pattern matches in a folder; none if it is not valid."""
    try:
        return sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError, OSError):
        return []


def name_of(path: Path, directory: Path) -> str:
    """Relative to `directory` if it is inside, else absolute."""
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)


def is_left_out(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern such as *.cache or cache/*.npy matches the name or its end."""
    return any(PurePath(name).match(pattern) for pattern in patterns)


def files_of(path: Path, left_out: Sequence[str] = ()) -> list[Path]:
    """The files of an input in a fixed order: itself, those below a folder, or the YAML files below one. Raises OSError.

    Of a folder without those that a pattern in `left_out` matches.
    """
    found = _files_of(path)
    return found if found == [path] else [file for file in found if not is_left_out(str(file), left_out)]


def _files_of(path: Path) -> list[Path]:
    text = str(path)
    if text.endswith(YAML_BELOW):
        top = Path(text.removesuffix(YAML_BELOW) or "/")
        return sorted(yaml_files(top), key=lambda file: file.relative_to(top).as_posix())
    return sorted(files_below(path), key=lambda file: file.relative_to(path).as_posix()) if path.is_dir() else [path]


def yaml_files(folder: Path) -> Iterator[Path]:
    """The `.yaml` files below a folder, which are what Hydra reads; not in hidden folders (`.hydra`: what a run wrote), and
    no experiments of the harness, whose questions and claims must not decide the ids of their own runs.
    """
    for file in files_below(folder):
        inside = file.relative_to(folder).parts
        if file.suffix == ".yaml" and not any(part.startswith(".") for part in inside) and not is_experiment(file):
            yield file


def is_experiment(file: Path) -> bool:
    """Whether a YAML file is an experiment of the harness. Cached as long as size and time stay the same."""
    stamp = stamp_of(file)
    return stamp is not None and stamp[1] <= LARGEST_EXPERIMENT and _is_experiment(*stamp)


@lru_cache(maxsize=4096)
def _is_experiment(file: str, _size: int, _modified: int) -> bool:
    try:
        lines = Path(file).read_bytes().splitlines()
    except OSError:
        return False
    return any(line.startswith(b"question:") for line in lines) and any(
        line.startswith((b"task:", b"extends:")) for line in lines
    )


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, including linked folders, each folder once. Raises OSError."""
    seen: set[str] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_raised):
        real = os.path.realpath(top)
        folders[:] = sorted(name for name in folders if name not in IGNORED) if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            file = Path(top) / name
            if name not in IGNORED and file.suffix != ".pyc" and file.is_file():
                yield file


def _raised(error: OSError) -> None:
    raise error
