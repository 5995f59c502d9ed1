"""Where people find the report of a plan or a search, in one line."""

from __future__ import annotations

from harness.store.paths import Paths


def address(paths: Paths, name: str) -> str:
    """The file of the report of the plan or search `name`, which may not have been written yet."""
    return str(paths.report(name) / "index.html")
