"""Where people find the report of a plan or a search, in one line."""

from __future__ import annotations

from harness.store import atomic
from harness.store.paths import Paths


def address(paths: Paths, name: str) -> str:
    """The file of the report of the plan or search `name`; says if it has not been written yet."""
    page = paths.report(name) / "index.html"
    return str(page) if atomic.exists(page) else f"{page} (from the first results on)"
