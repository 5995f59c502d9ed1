"""Run ids: hashes of specifications. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class Spec(BaseModel):
    """spec.json: the input of the run id."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    task: str
    version: str
    config: Mapping[str, Any]
    seed: int
    data: str
    program: Mapping[str, Any] | None = None  # definition, if the task is a command

    @model_serializer(mode="wrap")
    def _without_a_program_that_is_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = dump(self)
        return {name: value for name, value in found.items() if name != "program" or value is not None}


def run_id(task: str, version: str, config: Mapping[str, Any], seed: int, data: str) -> str:
    """The first 12 hex digits of SHA-256 over canonical JSON.

    `config` is the full configuration as `harness.tasks.identity.identity` gives it, `data` the data's fingerprint.
    """
    return run_ids(task, version, config, (seed,), data)[0]


def run_ids(task: str, version: str, config: Mapping[str, Any], seeds: Iterable[int], data: str) -> list[str]:
    """Ids of one configuration with several seeds; the part before the seed is hashed once."""
    before = f'{{"config":{canonical_json(config)},"data":{canonical_json(data)},"seed":'
    after = f',"task":{canonical_json(task)},"version":{canonical_json(version)}}}'
    start = hashlib.sha256(before.encode())
    ids = []
    for seed in seeds:
        digest = start.copy()
        digest.update(f"{seed}{after}".encode())
        ids.append(digest.hexdigest()[:12])
    return ids


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, shortest floats; raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
