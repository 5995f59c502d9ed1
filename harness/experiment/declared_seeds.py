"""The value of `seeds` in an experiment file -> looks, first seed, listed seeds and futility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.common.yaml_nodes import Node, plain


@dataclass(frozen=True)
class DeclaredSeeds:
    """`looks`: increasing numbers of seeds, the last of all. `listed`: all seeds in order; empty: counted up from `first`."""

    looks: tuple[int, ...]
    first: int = 0
    listed: tuple[int, ...] = ()
    futility: float | None = None

    @property
    def highest(self) -> int:
        """The largest seed."""
        return max(self.listed) if self.listed else self.first + self.looks[-1] - 1


def declared_seeds(node: Node) -> DeclaredSeeds:
    """Values of a wrong type, which are reported with the structure of the file, count as missing."""
    first, values, futility = (node.get(key) for key in ("first", "values", "futility"))
    listed = plain(values) if values else ()
    listed = listed if isinstance(listed, tuple) else ()
    looks = plain(node)
    if isinstance(looks, Mapping):
        looks = looks.get("looks") or looks.get("n") or len(listed)
    return DeclaredSeeds(
        looks=looks if isinstance(looks, tuple) else (looks,),
        first=first.value if first is not None and isinstance(first.value, int) else 0,
        listed=listed,
        futility=float(futility.value) if futility and isinstance(futility.value, int | float) else None,
    )
