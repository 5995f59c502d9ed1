"""Finds the files of a program: those that its command names, and the Python modules that these import.

Modules are searched beside the script, then in the working directory; not on PYTHONPATH, in installed packages or via importlib.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePath

# Written by tools; not part of the code.
IGNORED = frozenset({"__pycache__", ".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"})
COMPILED = b"\x7fELF"

Import = tuple[int, tuple[str, ...]]  # dots in front, names


def program_files(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The files that `words` name and all their imports, each once; for a package its folder.

    Names are relative to `directory` if the files are inside it.
    """
    found: dict[str, None] = {}
    for name in named_files(words, directory):
        _follow(name, (directory / name).parent, directory, found)
    for before, word in pairwise(words):
        parts = word.split(".")
        if before == "-m" and all(part.isidentifier() for part in parts):
            module = _module(directory, (*parts, "__main__"))
            if module is not None:
                _follow(_name(module, directory), directory, directory, found)
    return tuple(found)


def named_files(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The words, and parts of words after `=`, that are files, each once.

    Excluded are compiled programs with an absolute path, such as interpreters, which differ between machines.
    """
    texts = (text for word in words for text in (word, word.partition("=")[2]) if text and not text.startswith("-"))
    return tuple(dict.fromkeys(text for text in texts if _is_file(directory / text) and not _is_installed(text)))


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


def _follow(first: str, beside: Path, directory: Path, found: dict[str, None]) -> None:
    """Add the file or package `first` and what it imports; `beside`: the folder that Python searches first."""
    waiting = [first]
    while waiting:
        name = waiting.pop(0)
        if not found.keys().isdisjoint((name, *map(str, PurePath(name).parents))):
            continue  # itself, or its package
        found[name] = None
        path = directory / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for dots, parts in _imports_of(file):
                folders = (file.parents[dots - 1],) if 0 < dots <= len(file.parents) else (beside, directory)
                modules = (_module(folder, parts) for folder in folders)
                if (module := next(filter(None, modules), None)) is not None:
                    waiting.append(_name(module, directory))


def _module(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file or package in `folder` that `a.b.c` imports first; a package includes all its files.

    In a folder without __init__.py only named modules count, because it may contain anything.
    """
    for part in parts:
        if _is_file(folder / part / "__init__.py"):
            return folder / part
        if _is_file(folder / f"{part}.py"):
            return folder / f"{part}.py"
        folder /= part
    return None


def _imports_of(file: Path) -> tuple[Import, ...]:
    if file.suffix != ".py":
        return ()
    try:
        status = file.stat()
    except OSError:  # removed meanwhile
        return ()
    return _imports(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _imports(file: str, _size: int, _modified: int) -> tuple[Import, ...]:
    """The imports of a Python file; `from a import b` gives a.b, because b may be a module."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the program's code
            tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ()  # not valid Python: an input without imports
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            found += [(node.level, (*module, alias.name)) for alias in node.names]
    return tuple(dict.fromkeys(found))


def _name(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - False for invalid paths, where Path.is_file raises


def _is_installed(text: str) -> bool:
    if not Path(text).is_absolute():
        return False
    try:
        with Path(text).open("rb") as file:
            return file.read(len(COMPILED)) == COMPILED
    except OSError:  # the program cannot read it either
        return True


def _raised(error: OSError) -> None:
    raise error
