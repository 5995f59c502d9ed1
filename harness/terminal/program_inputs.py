"""The inputs of a program in a dry run: what counts, and how it was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.reporting import phrases
from harness.tasks.command.inputs.files import files_of
from harness.tasks.command.inputs.found import Detected

LINES = 10  # of the list on a screen
WIDTH = 40  # characters to which names are filled up


@dataclass(frozen=True)
class Input:
    """A file, or a folder with its number of files."""

    name: str
    reason: str
    how: str
    by: str  # the file that names or imports it; empty: the command
    files: int | None  # None: a single file


def inputs_of(counted: Detected, directories: Sequence[str], left_out: Sequence[str]) -> tuple[Input, ...]:
    """The inputs with their numbers of files, counted in the first of the program's directories that has them. Raises OSError."""
    found = []
    for each in counted.found:
        places = [Path(directory) / Path(each.name).expanduser() for directory in directories]
        path = next((place for place in places if place.exists()), places[0])
        files = files_of(path, left_out)
        found.append(Input(each.name, each.reason, each.how, each.by, None if files == [path] else len(files)))
    return tuple(found)


def input_notes(inputs: Sequence[Input]) -> list[tuple[str, str]]:
    """Keys and texts, one for each line: at most `LINES` inputs, then the number of the others."""
    shown = inputs if len(inputs) <= LINES else inputs[: LINES - 1]
    width = max((len(each.name) for each in shown if len(each.name) <= WIDTH), default=0)
    lines = [f"{each.name:<{width}}   {_about(each)}" for each in shown]
    if len(shown) < len(inputs):
        lines.append(f"and {len(inputs) - len(shown)} more; --json lists all")
    return [("" if place else "inputs", line) for place, line in enumerate(lines)]


def _about(each: Input) -> str:
    return each.reason if each.files is None else f"{each.reason}; {phrases.plural(each.files, 'file')}"
