"""The path of a run's folder -> its seed, its settings, and what is left: its variant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.existing.table import SEEDS

SEED = re.compile(r"(?<![a-zA-Z0-9])(?:(?:random|rng|manual|global)[_-]?)?seeds?[_=-]?(\d+)(?![a-zA-Z0-9.])", re.IGNORECASE)
SHORT_SEED = re.compile(r"(?<![a-zA-Z0-9])s[_=-]?(\d+)(?![a-zA-Z0-9.])", re.IGNORECASE)
BETWEEN = "/_,-. "  # what separates the parts of a path
# The value ends at a comma or slash, or where the next key begins: `lr=1e-3_seed=3`.
SETTING = re.compile(r"(?<![a-zA-Z0-9])([a-zA-Z][\w.]*)=(.*?)(?=[,/ ;]|[_-][a-zA-Z][\w.]*=|$)")


@dataclass(frozen=True)
class PathParts:
    """`variant` is the path without its seed; `settings` are the key=value parts, without the seed."""

    variant: str
    seed: str | None
    settings: Mapping[str, str]


def parts_of(path: str, root: str) -> PathParts:
    """Of `relu/seed_3`, `relu-s3` or `lr=0.1,seed=3`. `root` names the variant of a path that is nothing but a seed."""
    found = [*SEED.finditer(path)] or [*SHORT_SEED.finditer(path)]
    seed, variant = None, path
    if found:
        seed = found[-1][1]
        before, after = path[: found[-1].start()].rstrip(BETWEEN), path[found[-1].end() :]
        variant = f"{before}{after}" if before else after.lstrip(BETWEEN)
    settings = {key: value for key, value in SETTING.findall(path) if key.lower() not in (*SEEDS, "s")}
    return PathParts(variant if variant not in ("", ".") else root, seed, settings)
