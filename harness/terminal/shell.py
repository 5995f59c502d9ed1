"""Printing for people and programs: results to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from harness.errors import HarnessError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Where the output is no terminal nothing tells its width; the tables are made for this one.
PLAIN_WIDTH = 100


def console(file: IO[str]) -> Console:
    """A rich console that prints words as they are: no emoji, no guessed highlights. `COLUMNS` and `NO_COLOR` are obeyed."""
    from rich.console import Console

    width = None if file.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=file, width=width, highlight=False, emoji=False, markup=False)


def show(*renderables: RenderableType) -> None:
    """Print results: to stdout. Tables fit the terminal; other lines are not wrapped, so that paths can be copied."""
    out = console(sys.stdout)
    for renderable in renderables:
        out.print(renderable, soft_wrap=True)


def say(message: str) -> None:
    """Print a message for people: to stderr, unwrapped, so that paths can be copied."""
    print(message, file=sys.stderr)


def show_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print one document for programs: to stdout. Numbers that JSON lacks must be strings already."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def end_with(errors: Sequence[HarnessError]) -> None:
    """Print what went wrong beside what was shown, a line each, and end the command with the exit code of the first, if any."""
    for error in errors:
        say(str(error))
    if errors:
        raise SystemExit(errors[0].exit_code)
