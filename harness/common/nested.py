"""Nested configuration -> dotted paths; the difference of two configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A nested configuration as dotted path -> value; empty blocks stay as they are."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found.update(flatten(value, f"{above}{key}."))
        else:
            found[above + key] = value
    return found


def config_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (value in one, value in other), where they differ; None also where a path is missing."""
    left, right = flatten(one), flatten(other)
    paths = dict.fromkeys([*left, *right])
    return {path: (left.get(path), right.get(path)) for path in paths if left.get(path) != right.get(path)}
