"""The console of output that is not a terminal."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class Pipe(Console):
    """Prose is wrapped at its width; tables, claims and single lines are whole, so that they can be searched line by line."""

    def on_broken_pipe(self) -> None:
        """The reader has gone (`| head`): the command still does the rest of its work, and ends with its own exit code."""
        self.quiet = True
        drop_output()


def drop_output() -> None:
    """Discard what stdout has buffered, and what follows, as nobody reads it: writing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
