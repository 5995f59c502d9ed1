"""A file and what is wrong with it -> FileFinding; the files of a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError
from harness.store import atomic


@dataclass(frozen=True, order=True)
class FileFinding:
    """A file or folder, what about it, and what to do. A note (`harmless`) is worth knowing, but nothing is wrong."""

    path: Path
    what: str
    advice: str = ""
    harmless: bool = False


def told(path: Path, error: StoreError) -> FileFinding:
    """An error of the store as a finding: its message is `path: what; what to do`, or `path:line: ...`."""
    text = re.sub(r"^:(\d+)", r"line \1", str(error).removeprefix(str(path))).removeprefix(": ")
    what, _, advice = text.partition("; ")
    return FileFinding(path, what, advice)


def foreign(path: Path, why: str = "it is passed over") -> FileFinding:
    """The note about a file that the harness did not write."""
    return FileFinding(path, f"is none of the harness's files; {why}", harmless=True)


def left_behind(path: Path) -> FileFinding:
    """The note about a temporary file."""
    return FileFinding(path, "is the half of a file whose writer is gone; it may be removed", harmless=True)


def entries(folder: Path) -> list[Path]:
    """What lies in `folder`, sorted; nothing without one. Raises StoreError."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise atomic.unusable(folder, "be read", error) from error
