"""publication.json: what a published results folder lacks on purpose, so that checks can tell it from damage.

The files and digests of the original runs stay in their result.json, which is not changed; without a publication.json nothing
may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import Provenance, content_digest
from harness.store.seal import read_sealed, seal_broken, sealed_json


class Publication(BaseModel):
    """publication.json. It names runs one by one: of all others, every file must be there and unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    left_out: Mapping[Literal["predictions.npz"], tuple[str, ...]] = {}  # file -> ids of the runs whose file was left out
    shortened: Mapping[str, str] = {}  # run id -> `content_digest` of its provenance.json with shortened paths

    def lacks(self, path: Path) -> bool:
        """Whether the file `path` of a run was left out."""
        return any(path.name == name and path.parent.name in ids for name, ids in self.left_out.items())

    def confirms(self, run_id: str, origin: Provenance, expected: str) -> bool:
        """Whether `origin` is that of the run: with the digest `expected` of its result, or as it was published."""
        return content_digest(origin) in (expected, self.shortened.get(run_id))


NONE = Publication()


def read(paths: Paths) -> Publication:
    """The folder's publication; `NONE` without a file. Raises StoreError if it is damaged or was altered."""
    try:
        found = read_sealed(paths.publication, Publication)
    except FileNotFoundError:
        return NONE
    if seal_broken(paths.publication):
        raise StoreError(f"{paths.publication}: was altered after it was written; restore it from a copy, or publish again")
    return found


def write(paths: Paths, publication: Publication) -> None:
    """Write publication.json; the same content gives the same bytes. Raises StoreError."""
    atomic.write_bytes(paths.publication, sealed_json(publication))
