"""`harness list`: shows the experiments that a command finds by name, and where each one is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.common import cli_options
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from harness.experiment.listing import Listed


def list(*, as_json: cli_options.AsJson = False) -> None:
    """Show all experiments with their questions, by the place where they are found: experiments/, the current folder, and
    those that come with the package. Of several with the same name, the first is the one that commands use.

    Examples:
      harness list
      harness list --json

    Exit codes:
      0   shown
      2   bad usage
    """
    from harness.experiment.listing import listed
    from harness.terminal import shell

    found = listed()
    if as_json:
        shell.show_json(document(found))
    else:
        shell.show(*screen(found))


def screen(found: Sequence[Listed]) -> tuple[RenderableType, ...]:
    """A block for each place that has experiments, and how to use them."""
    from harness.common.shipped import EXAMPLES
    from harness.terminal.tables import Line

    lines: tuple[RenderableType, ...] = ()
    for place in dict.fromkeys(each.place for each in found):
        lines += (Line.of(_title(place)),)
        width = max(len(each.name) for each in found if each.place == place)
        for each in found:
            if each.place == place:
                lines += (Line.of(f"  {each.name:<{width}}   {_described(each)}", hang=width + 5),)
        lines += ("",)
    return (
        *lines,
        Line.of("start one with: harness run NAME, a search with: harness sweep NAME; --profile smoke rehearses it in minutes"),
        Line.of("a folder with one of them to change: harness init DIR"),
        Line.of(f"examples of programs, a task in Python and a gate in CI, to copy: {EXAMPLES}"),
    )


def document(found: Sequence[Listed]) -> dict[str, Any]:
    """The `--json` document."""
    from harness.common.shipped import EXAMPLES

    return {
        "experiments": [
            {
                "name": each.name,
                "question": each.question,
                "command": "sweep" if each.is_search else "run",
                "profiles": each.profiles,
                "file": str(each.file),
                "shipped": _is_shipped(each.place),
                "hidden_by": None if each.hidden_by is None else str(each.hidden_by),
                "problem": each.problem or None,
            }
            for each in found
        ],
        "examples": str(EXAMPLES),
    }


def _is_shipped(place: Path) -> bool:
    from harness.common.shipped import EXPERIMENTS

    return EXPERIMENTS in (place, place.parent)


def _title(place: Path) -> str:
    if _is_shipped(place):
        return f"with the package, in {place}"
    return "in the current folder" if place == Path() else f"in {place}/"


def _described(each: Listed) -> str:
    text = each.problem or each.question or "(without a question)"
    kind = " (search)" if each.is_search else ""
    hidden = f" (hidden by {each.hidden_by})" if each.hidden_by is not None else ""
    return f"{text}{kind}{hidden}"


main = main_of(list)


if __name__ == "__main__":
    sys.exit(main())
