"""A command's words, the folder it runs in -> the program's files: those it names, and the Python modules they import.

Modules are looked up as Python does for a script: beside the script, then in the folder where it runs. What Python finds in other
ways (PYTHONPATH, an installed package, importlib) is not found here.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePath

# Written by tools beside the code, and no part of it.
PASSED_OVER = frozenset({"__pycache__", ".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"})
COMPILED = b"\x7fELF"

Import = tuple[int, tuple[str, ...]]  # dots in front, names


def program_files(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The files that `words` name, and what these import at whatever depth, each once; of a package the folder.

    Names are relative to `directory` where the files lie in it or are named so.
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
    """The words, and what stands in words behind a `=`, that are files, each once.

    But for compiled programs on an absolute path, such as an interpreter: machines may have others of that name.
    """
    texts = (text for word in words for text in (word, word.partition("=")[2]) if text and not text.startswith("-"))
    return tuple(dict.fromkeys(text for text in texts if _is_file(directory / text) and not _is_installed(text)))


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, through links to folders too, each folder once. Raises OSError."""
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


def _follow(first: str, beside: Path, directory: Path, found: dict[str, None]) -> None:
    """Add the file or package `first` and what it imports; `beside`: the folder that Python looks in first."""
    waiting = [first]
    while waiting:
        name = waiting.pop(0)
        if not found.keys().isdisjoint((name, *map(str, PurePath(name).parents))):
            continue  # with the package that it lies in, perhaps
        found[name] = None
        path = directory / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for dots, parts in _imports_of(file):
                folders = (file.parents[dots - 1],) if 0 < dots <= len(file.parents) else (beside, directory)
                modules = (_module(folder, parts) for folder in folders)
                if (module := next(filter(None, modules), None)) is not None:
                    waiting.append(_name(module, directory))


def _module(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file or the package that is imported first for `a.b.c`, looked for in `folder`; of a package every file counts.

    A folder without __init__.py is a package only as far as modules in it are named: it may hold anything.
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
    except OSError:  # gone since it was found
        return ()
    return _imports(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _imports(file: str, _size: int, _modified: int) -> tuple[Import, ...]:
    """What a Python file imports; of `from a import b` both may be modules: a.b."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the program's own text: it is not ours to judge
            tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ()  # what is no Python is no worse an input
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
    return os.path.isfile(path)  # noqa: PTH113 - which is false, and raises nothing, for a text that can be no path


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
