"""The file or package of a Python module, searched in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.tasks.command.inputs.files import is_file, is_folder


def module(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file or package in `folder` that `a.b.c` imports first; a package includes all its files.

    In a folder without __init__.py only named modules count, because it may contain anything.
    """
    for part in parts:
        if is_file(folder / part / "__init__.py"):
            return folder / part
        if is_file(folder / f"{part}.py"):
            return folder / f"{part}.py"
        folder /= part
    return None


def first_module(folders: Sequence[Path], parts: Sequence[str]) -> Path | None:
    """The module in the first of the folders that has it."""
    return next(filter(None, (module(folder, parts) for folder in folders)), None)


def search_path(text: str, base: Path) -> tuple[Path, ...]:
    """The folders of a PYTHONPATH."""
    return tuple(base / part for part in text.split(os.pathsep) if part and is_folder(base / part))
