"""The names of all pages -> the navigation, in groups. It is added to the start page, the README, when it is read.

A forge shows the README without it. Pages of docs/ that no group names are listed at the end of the guides.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# Groups of pages; a star stands for several, by their name.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start": ("docs/install", "docs/tutorial", "docs/screens", "docs/findings", "docs/site/gallery"),
    "Guides": (
        "docs/experiments",
        "docs/your-own-training",
        "docs/existing-results",
        "docs/code-versions",
        "docs/loops",
        "docs/verdicts",
        "docs/search",
        "docs/slurm",
        "docs/tracking",
        "docs/serve",
        "docs/notebook",
        "docs/export",
        "docs/faq",
    ),
    "Reference": (
        "docs/cli",
        "docs/site/experiment-file",
        "docs/results",
        "docs/training",
        "docs/site/api/python",
        "docs/site/api/tasks",
        "docs/site/api/statistics",
        "docs/site/api/errors",
    ),
    "Coming from": ("docs/coming-from/*",),
    "About": ("docs/performance", "docs/design", "CONTRIBUTING", "CHANGELOG"),
}
REST = "Guides"


def grouped(pages: Iterable[str]) -> dict[str, list[str]]:
    """The existing `pages` of each group, in order."""
    left = set(pages)
    found: dict[str, list[str]] = {}
    for group, patterns in GROUPS.items():
        found[group] = [page for pattern in patterns for page in sorted(matching(left, pattern))]
        left -= set(found[group])
    found[REST] += sorted(left)
    return found


def add_navigation(app: Sphinx, page: str, text: list[str]) -> None:
    """Append the navigation to the start page."""
    if page == app.config.root_doc:
        for group, members in grouped(app.project.docnames - {page}).items():
            if members:
                text[0] += (
                    f"\n```{{toctree}}\n:hidden:\n:caption: {group}\n\n"
                    + "\n".join(f"/{member}" for member in members)
                    + "\n```\n"
                )


def copy_start_page(app: Sphinx, error: Exception | None) -> None:
    """Make the start page the one that a folder's address shows."""
    if error is None:
        out = Path(app.outdir)
        shutil.copyfile(out / f"{app.config.root_doc}.html", out / "index.html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the navigation with Sphinx."""
    app.connect("source-read", add_navigation)
    app.connect("build-finished", copy_start_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
