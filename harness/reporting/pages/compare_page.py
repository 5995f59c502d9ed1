"""compare.html beside the scoreboard: any variants of several plans side by side, chosen in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.reporting.figures.style import line_styles
from harness.reporting.pages.compared import thinned
from harness.reporting.pages.curve_data import look_of
from harness.reporting.pages.curves_file import Curves, read_curves
from harness.reporting.pages.packing import squeezed
from harness.reporting.pages.page import rendered
from harness.store.atomic import status

NAME = "compare.html"
STYLES = 20  # different lines


def render(plans: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> tuple[str, list[HarnessError]]:
    """(the page, curves that cannot be read); deterministic.

    `plans`: `compared` of each; `folders`: of reports, the newest of a plan's curves count.
    """
    curves: list[Curves | None] = []
    errors: list[HarnessError] = []
    for plan in plans:
        try:
            curves.append(_curves(plan["name"], folders))
        except HarnessError as error:
            curves.append(None)
            errors.append(error)
    lines, points = thinned(curves)
    styles = line_styles([str(place) for place in range(STYLES)]).values()
    data = {
        "plans": [{**plan, "curves": own} for plan, own in zip(plans, lines, strict=True)],
        "points": points,
        "styles": [look_of(each) for each in styles],
    }
    return rendered("compare.html.j2", ("picks.js", "compare.js"), data=squeezed(data), refresh=None), errors


def _curves(plan: str, folders: Sequence[Path]) -> Curves | None:
    """The newest curves of the plan; None if no report of it has any. Raises StoreError."""
    paths = [folder / plan / "curves.json" for folder in folders]
    written = {path: found.st_mtime_ns for path in paths if (found := status(path)) is not None}
    try:
        return read_curves(max(written, key=written.__getitem__)) if written else None
    except FileNotFoundError:  # it has been removed meanwhile
        return None
