"""What of a task's configuration identifies a run, and what only names a place. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.tasks.protocol import Location, Neutral


def identity(config: BaseModel) -> dict[str, Any]:
    """The configuration as hashed into run ids: JSON values with defaults, without locations and neutral values."""
    dumped = config.model_dump(mode="json")
    found = {}
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        neutral = any(isinstance(mark, Neutral) and mark.value == value for mark in info.metadata)
        if neutral or _is_location(info):
            continue
        found[name] = identity(value) if isinstance(value, BaseModel) else _unsigned_zeros(dumped[name])
    return found


def places(config: BaseModel) -> dict[str, Any]:
    """The values of the fields marked `Location`, by dotted path."""
    found = {}
    for path in location_paths(type(config)):
        value: Any = config
        for part in path.split("."):
            value = getattr(value, part)
        found[path] = value
    return found


def _unsigned_zeros(value: Any) -> Any:
    """JSON values with 0.0 for -0.0, which is equal and must have the same hash."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, list):
        return [_unsigned_zeros(item) for item in value]
    return {key: _unsigned_zeros(item) for key, item in value.items()} if isinstance(value, dict) else value


def location_paths(model: type[BaseModel], above: str = "") -> frozenset[str]:
    """The dotted paths of the fields marked `Location`."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        if _is_location(info):
            found.add(above + name)
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found |= location_paths(info.annotation, f"{above}{name}.")
    return frozenset(found)


def _is_location(info: FieldInfo) -> bool:
    return any(isinstance(mark, Location) for mark in info.metadata)
