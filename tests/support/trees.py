"""Folders of small files, and the inputs that are found in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.tasks.command.inputs.detection import detect


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Files by name."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(folder: Path, command: str, **options: object) -> list[str]:
    """The names of what the command leads to, in order."""
    return [found.name for found in detect(shlex.split(command), folder, **options).found]


def reasons(folder: Path, command: str) -> dict[str, str]:
    """How each was found."""
    return {found.name: found.reason for found in detect(shlex.split(command), folder).found}


def unknown(folder: Path, command: str, **options: object) -> list[str]:
    """What could not be followed."""
    return [each.text for each in detect(shlex.split(command), folder, **options).unknown]
