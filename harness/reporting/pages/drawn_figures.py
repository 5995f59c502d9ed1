"""A report's figures on disk -> those that need not be drawn again.

A figure is kept if everything that decides it is what it was when it was drawn, and its files are those that were written then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import StoreError
from harness.store.atomic import make_folder, read_bytes, read_json, write_bytes, write_json


class _Drawn(BaseModel):
    """One figure: the digest of its input (`figures.InputDigests`), and of its files by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: str
    files: dict[str, str]


class _Record(BaseModel):
    """A report's figures by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    figures: dict[str, _Drawn]


class DrawnFigures:
    """The figures of one report in `folder`, as the file `record` knows them; without one, none is known."""

    def __init__(self, folder: Path, record: Path | None) -> None:
        self._folder, self._path = folder, record
        self._before: dict[str, _Drawn] = {}
        self._now: dict[str, _Drawn] = {}
        if record is not None:
            with suppress(FileNotFoundError, StoreError):  # a cache: without it, everything is drawn
                self._before = read_json(record, _Record).figures

    def is_current(self, name: str, digest: str | None) -> bool:
        """Whether the figure `name` of an input with this digest is there. None: of an input that cannot be compared."""
        known = self._before.get(name)
        if digest is None or known is None or known.input != digest or self._digests(known.files) != known.files:
            return False
        self._now[name] = known
        return True

    def write(self, name: str, digest: str | None, files: Mapping[str, bytes]) -> None:
        """Write the `files` of a figure that was drawn. Raises StoreError."""
        make_folder(self._folder)
        for file, data in files.items():
            write_bytes(self._folder / file, data)
        if digest is not None and self._path is not None:
            # Of what this process has drawn: another one may have replaced the files already.
            self._now[name] = _Drawn(input=digest, files={file: _sha256(data) for file, data in files.items()})

    def save(self) -> None:
        """Write the record, if it has changed; where it cannot be, everything is drawn again next time."""
        if self._path is not None and self._now != self._before:
            with suppress(StoreError):
                make_folder(self._path.parent)
                write_json(self._path, _Record(figures=self._now))

    def _digests(self, names: Iterable[str]) -> dict[str, str]:
        """Name -> SHA-256 of the files that there are."""
        found = {}
        for name in names:
            with suppress(OSError, StoreError):
                found[name] = _sha256(read_bytes(self._folder / name))
        return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
