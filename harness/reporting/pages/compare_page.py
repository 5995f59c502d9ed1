"""compare.html beside the scoreboard: any variants of several plans side by side, chosen in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.reporting.figures.dark import for_dark
from harness.reporting.figures.style import line_styles
from harness.reporting.pages.compared import read_curves, thinned
from harness.reporting.pages.curve_data import dash_array
from harness.reporting.pages.packing import squeezed
from harness.reporting.pages.page import rendered

NAME = "compare.html"
STYLES = 20  # different lines


def render(plans: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> tuple[str, list[HarnessError]]:
    """(the page, curves that cannot be read); deterministic.

    `plans`: `compared` of each; `folders`: of reports, the first with a plan's curves counts.
    """
    curves, errors = [], []
    for plan in plans:
        try:
            found = (read_curves(folder / plan["name"] / "curves.json") for folder in folders)
            curves.append(next((own for own in found if own is not None), None))
        except HarnessError as error:
            curves.append(None)
            errors.append(error)
    lines, points = thinned(curves)
    styles = line_styles([str(place) for place in range(STYLES)]).values()
    data = {
        "plans": [{**plan, "curves": own} for plan, own in zip(plans, lines, strict=True)],
        "points": points,
        "styles": [
            {"colour": each.colour.lower(), "dark": for_dark(each.colour), "dashes": dash_array(each.dashes)} for each in styles
        ],
    }
    return rendered("compare.html.j2", ("picks.js", "compare.js"), data=squeezed(data), refresh=None), errors
