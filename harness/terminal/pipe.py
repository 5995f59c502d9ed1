"""The console of output that is not a terminal."""

from __future__ import annotations

from rich.console import Console


class Pipe(Console):
    """Prose is wrapped at its width; tables, claims and single lines are whole, so that they can be searched line by line."""
