"""Findings of the integrity checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError
from harness.store import atomic


@dataclass(frozen=True, order=True)
class FileFinding:
    """A file or folder, the problem, and what to do. `harmless`: a note, not a problem."""

    path: Path
    what: str
    advice: str = ""
    harmless: bool = False


def from_error(path: Path, error: StoreError) -> FileFinding:
    """A StoreError, whose message is `path: what; what to do` or `path:line: ...`, as a finding."""
    text = re.sub(r"^:(\d+)", r"line \1", str(error).removeprefix(str(path))).removeprefix(": ")
    what, _, advice = text.partition("; ")
    return FileFinding(path, what, advice)


def unknown_file(path: Path, why: str = "it is ignored") -> FileFinding:
    """A note about a file that the harness did not write."""
    return FileFinding(path, f"is not a file of the harness; {why}", harmless=True)


def leftover(path: Path) -> FileFinding:
    """A note about the temporary file of a killed process."""
    return FileFinding(path, "is a leftover temporary file of a killed process; it may be removed", harmless=True)


def entries(folder: Path) -> list[Path]:
    """The sorted content of `folder`; empty if it does not exist. Raises StoreError."""
    return sorted(folder / name for name in atomic.names(folder))
