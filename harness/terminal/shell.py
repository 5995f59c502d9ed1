"""Printing: results to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, Any

from harness.errors import HarnessError, Interrupted
from harness.terminal.reader import may_leave

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Width of prose where the output is not a terminal.
PLAIN_WIDTH = 100


def console(file: IO[str]) -> Console:
    """A rich console without emoji and automatic highlighting; obeys `COLUMNS` and `NO_COLOR`.

    Without a terminal and `COLUMNS`, it is a `Pipe`.
    """
    from harness.terminal.pipe import Output, Pipe

    if file.isatty() or "COLUMNS" in os.environ:
        return Output(file=file, highlight=False, emoji=False, markup=False)
    return Pipe(file=file, width=PLAIN_WIDTH, highlight=False, emoji=False, markup=False)


def show(*renderables: RenderableType) -> None:
    """Print results to stdout, fitted to the terminal; paths and commands are not wrapped, so that they can be copied."""
    out = console(sys.stdout)
    for renderable in renderables:
        out.print(renderable, soft_wrap=True)


def say(message: str) -> None:
    """Print a message to stderr, unwrapped, so that paths can be copied."""
    with may_leave(sys.stderr):
        print(message, file=sys.stderr)


def flush() -> None:
    """Hand what was printed to the reader of stdout. Raises OSError, such as for a full disk."""
    with may_leave(sys.stdout):
        sys.stdout.flush()


@contextmanager
def drawing(again: str = "") -> Iterator[None]:
    """Inside, figures are drawn after the results were printed, which are visible at once, also to the reader of a pipe.

    A terminal shows what is being done; logs have no such line. `again`: the command that draws what Ctrl-C leaves undrawn, which
    raises Interrupted, as every file is whole; without such a command KeyboardInterrupt.
    """
    flush()
    try:
        with console(sys.stderr).status("drawing the figures", refresh_per_second=4) if sys.stderr.isatty() else nullcontext():
            yield
    except KeyboardInterrupt as error:
        if not again:
            raise
        raise Interrupted(
            f"interrupted while drawing the figures; the verdicts stay valid; draw the rest with: {again}"
        ) from error


def show_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a JSON document to stdout, on one line unless people read it. NaN and infinities must already be strings.

    Bytes of paths that are not UTF-8 are escaped, so that whoever reads the document gets the path.
    """
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    with may_leave(sys.stdout):
        print(text.encode(errors="backslashreplace").decode())


def end_with(errors: Sequence[HarnessError]) -> None:
    """Print the errors, if any, and exit with the code of the first."""
    for error in errors:
        say(str(error))
    if errors:
        raise SystemExit(errors[0].exit_code)
