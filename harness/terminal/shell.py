"""The edge of every command: text -> stdout and stderr, errors -> exit codes."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from harness.errors import EXIT_BAD_INPUT, EXIT_OK, HarnessError

if TYPE_CHECKING:
    import typer
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


def run_app(app: typer.Typer, argv: Sequence[str] | None, name: str) -> int:
    """Run a command's typer application; its exit code.

    A HarnessError, and output that cannot be written, are told on stderr in a line, without a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without `·` shows a question mark in its place.
            stream.reconfigure(errors="replace")
    try:
        try:
            app(args=None if argv is None else list(argv), prog_name=name)
        finally:
            sys.stdout.flush()  # at exit it would be too late to tell what is wrong
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except BrokenPipeError:
        _drop_output()  # whoever read it has closed it (`harness status | head`)
        return EXIT_OK
    except OSError as error:
        _drop_output()
        say(f"{name}: {error}")
        return EXIT_BAD_INPUT
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK
    return EXIT_OK


def _drop_output() -> None:
    """Nothing of what is still in the buffer may be written at exit: that would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
