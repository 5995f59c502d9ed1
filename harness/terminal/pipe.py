"""The consoles of output: what a terminal shows, and what is not a terminal."""

from __future__ import annotations

from rich.console import Console

from harness.terminal.reader import drop


class Output(Console):
    """A console whose reader may leave (`| head`): the command still does the rest, and ends with its own exit code."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        drop(self.file)


class Pipe(Output):
    """Prose is wrapped at its width; tables, claims and single lines are whole, so that they can be searched line by line."""
