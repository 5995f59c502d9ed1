"""A file that is still to be followed, and the place of the words that name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.tasks.command.inputs.files import Kind
from harness.tasks.command.inputs.found import Found, How


@dataclass(frozen=True)
class Place:
    """Where words stand: the working directory there, further folders of modules, and who names them."""

    base: Path
    modules: tuple[Path, ...] = ()
    by: str = ""  # the file in which they stand; "" for the command
    depth: int = 0
    how: How | None = None  # of the code of `bash -c` in the command


@dataclass(frozen=True)
class Lead:
    """A file to follow; `beside` is the folder that Python searches first."""

    found: Found
    beside: Path
    place: Place
    kind: Kind | None = None  # None: as its name and first line say
