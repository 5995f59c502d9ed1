"""What a piece of code does, counted: functions that it enters, files that it opens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


@contextmanager
def entered() -> Iterator[list[int]]:
    """The number of Python functions and generators that are entered meanwhile."""
    found = [0]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        found[0] += event == "call"

    sys.setprofile(count)
    try:
        yield found
    finally:
        sys.setprofile(None)


@contextmanager
def opened(below: Path) -> Iterator[list[str]]:
    """The files and folders below a folder that are opened or listed meanwhile."""
    found: list[str] = []
    counting = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if counting and event in {"open", "os.listdir", "os.scandir", "os.mkdir"} and str(arguments[0]).startswith(str(below)):
            found.append(str(arguments[0]))

    sys.addaudithook(hook)
    try:
        yield found
    finally:
        counting = False
