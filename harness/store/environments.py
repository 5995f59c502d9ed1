"""environments/<digest>.json: each list of installed packages once, however many runs used it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import StoreError
from harness.store import atomic
from harness.store.provenance import Provenance
from harness.tasks.environment import Observed, digest

Lists = Mapping[str, Mapping[str, str]]  # digest -> normalized name -> version
NAME = re.compile(r"[0-9a-f]{64}\.json")
_kept: set[Path] = set()  # by this process


class Packages(BaseModel):
    """A list of installed packages; the name of its file is its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(1, alias="schema", ge=1, le=1)
    packages: dict[str, str]  # normalized name -> version


def file_of(folder: Path, digest: str) -> Path:
    """The file of the list with this digest."""
    return folder / f"{digest}.json"


def keep(folder: Path, installed: Observed) -> None:
    """Write the list of `installed`, unless it is there. Raises StoreError."""
    name = installed.environment.packages
    if name is None or (path := file_of(folder, name)) in _kept:
        return
    if not atomic.exists(path):
        atomic.make_folder(folder)
        atomic.publish(path, atomic.to_json(Packages(packages=dict(sorted(installed.packages.items())))))
    _kept.add(path)


def read(folder: Path, origins: Iterable[Provenance]) -> Lists:
    """The lists that `origins` name, restarts included, without those that are missing or damaged."""
    starts = [start for origin in origins for start in origin.starts]
    found = {}
    for name in {start.environment.packages for start in starts if start.environment}:
        if name is not None and (packages := intact(file_of(folder, name))) is not None:
            found[name] = packages
    return found


def intact(path: Path) -> Mapping[str, str] | None:
    """The list in `path`; None if it is missing, damaged or not the one that the name tells."""
    try:
        packages = atomic.read_json(path, Packages).packages
    except (FileNotFoundError, StoreError):
        return None
    return packages if digest(packages) == path.stem else None
