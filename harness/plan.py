"""Experiment -> Plan; run ids. Pure: no files, no clock, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.task import Accelerator

SCHEMA = 1


class PlannedRun(BaseModel):
    """One variant with one seed. `look` is the number of seeds at which it is first judged; None: beyond the last look."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    variant: str
    seed: int = Field(ge=0)
    look: int | None = None


class Plan(BaseModel):
    """The frozen list of all runs up to the last look: what results/plans/<name>.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(SCHEMA, alias="schema")
    name: str  # stem, stem@profile, each with +<6 hex> for --set
    experiment: str  # the file's stem
    profile: str | None = None
    overrides: tuple[str, ...] = ()  # the --set values that made the name
    question: str
    source: str | None = None
    task: str
    task_version: str
    accelerator: Accelerator
    baseline: str  # label of a variant
    looks: tuple[int, ...]  # numbers of seeds, increasing; a fixed n is one look
    margin: float | None = None
    alpha: float = 0.05
    variants: Mapping[str, Mapping[str, Any]]  # label -> full configuration, in the order of the file
    data: Mapping[str, str]  # label -> data fingerprint
    runs: tuple[PlannedRun, ...]  # seed by seed, in each seed variant by variant
    claims: tuple[Mapping[str, Any], ...] = ()
    claims_digest: str
    created: str  # ISO 8601, UTC

    @property
    def rehearsal(self) -> bool:
        """Made with a profile or --set: no evidence."""
        return self.profile is not None or bool(self.overrides)
