"""The consoles of output: what a terminal shows, and what is not a terminal."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class Output(Console):
    """A console whose reader may leave (`| head`): the command still does the rest, and ends with its own exit code."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        drop_output()


class Pipe(Output):
    """Prose is wrapped at its width; tables, claims and single lines are whole, so that they can be searched line by line."""


def drop_output() -> None:
    """Discard what stdout has buffered, and what follows, as nobody reads it: writing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
