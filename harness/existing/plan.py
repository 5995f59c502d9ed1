"""The plan of results that exist already."""

from __future__ import annotations

from harness.experiment.plan import Plan, Selection


class ExistingPlan(Plan):
    """Design and claims of results that exist already; never stored. `task` is where they are from."""

    command: str = ""  # the command line that judges them


ExistingPlan.model_rebuild(_types_namespace={"Selection": Selection})  # a field of Plan
