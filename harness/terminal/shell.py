"""Printing: results to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from harness.errors import HarnessError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Width of tables where the output is not a terminal.
PLAIN_WIDTH = 100


def console(file: IO[str]) -> Console:
    """A rich console without emoji and automatic highlighting; obeys `COLUMNS` and `NO_COLOR`."""
    from rich.console import Console

    width = None if file.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=file, width=width, highlight=False, emoji=False, markup=False)


def show(*renderables: RenderableType) -> None:
    """Print results to stdout. Tables fit the terminal; other lines are not wrapped, so that paths can be copied."""
    out = console(sys.stdout)
    for renderable in renderables:
        out.print(renderable, soft_wrap=True)


def say(message: str) -> None:
    """Print a message to stderr, unwrapped, so that paths can be copied."""
    print(message, file=sys.stderr)


def show_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a JSON document to stdout, on one line unless people read it. NaN and infinities must already be strings.

    Bytes of paths that are not UTF-8 are escaped, so that whoever reads the document gets the path.
    """
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    print(text.encode(errors="backslashreplace").decode())


def end_with(errors: Sequence[HarnessError]) -> None:
    """Print the errors, if any, and exit with the code of the first."""
    for error in errors:
        say(str(error))
    if errors:
        raise SystemExit(errors[0].exit_code)
