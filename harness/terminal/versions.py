"""The versions of the code that a plan compares, above its other tables."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from harness.experiment.plan import Plan
from harness.reporting.tables.versions import version_table
from harness.terminal.tables import TerminalTable


def code_lines(plan: Plan) -> list[RenderableType]:
    """A line per version: ref, commit, changes against the baseline's, subject; then an empty line. Empty without versions."""
    table = version_table(plan)
    return [] if table is None else [TerminalTable(table), Text()]
