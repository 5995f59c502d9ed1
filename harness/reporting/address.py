"""Where people find the report of a plan or a search, in one line."""

from __future__ import annotations

from harness.store import served
from harness.store.paths import Paths


def address(paths: Paths, name: str) -> str:
    """The report of the plan or search `name`, which may not exist yet: at `harness serve` if that runs, else its file."""
    return served.address(paths.root, name) or str(paths.report(name) / "index.html")
