"""The plan of results that exist already."""

from __future__ import annotations

from harness.experiment.plan import Plan


class ExistingPlan(Plan):
    """Design and claims of results that exist already; never stored. `task` is where they are from."""

    command: str = ""  # the command line that judges them
