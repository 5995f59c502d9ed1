"""Ablation harness: registered claims, paired seeds, runs that survive interruptions, verdicts with an interval.

The public names of the package are below; docs/design.md shows how an experiment becomes a verdict, and where everything is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.analysis import statistics
    from harness.errors import DataError, DeviceError
    from harness.experiment import load_experiment
    from harness.experiment.plan import make_plan
    from harness.launch.experiment import run_experiment
    from harness.reporting.pages import write_report
    from harness.store.cases import load_cases
    from harness.store.frames import load_curves, load_runs
    from harness.sweep import run_search
    from harness.tasks.protocol import (
        Accelerator,
        Examples,
        Location,
        Metric,
        Neutral,
        Number,
        Part,
        Task,
        Training,
        TrainingFailed,
        cache_folder,
    )
    from harness.terminal.judged import judge

__all__ = [
    "Accelerator",
    "DataError",
    "DeviceError",
    "Examples",
    "Location",
    "Metric",
    "Neutral",
    "Number",
    "Part",
    "Task",
    "Training",
    "TrainingFailed",
    "cache_folder",
    "judge",
    "load_cases",
    "load_curves",
    "load_experiment",
    "load_runs",
    "make_plan",
    "run_experiment",
    "run_search",
    "statistics",
    "write_report",
]

# For authors of tasks.
_TASK = (
    "Accelerator",
    "Examples",
    "Location",
    "Metric",
    "Neutral",
    "Number",
    "Part",
    "Task",
    "Training",
    "TrainingFailed",
    "cache_folder",
)
_MODULES = {
    "load_experiment": "harness.experiment",
    "make_plan": "harness.experiment.plan",
    "run_experiment": "harness.launch.experiment",
    "run_search": "harness.sweep",
    "write_report": "harness.reporting.pages",
    "judge": "harness.terminal.judged",
    "load_cases": "harness.store.cases",
    "load_runs": "harness.store.frames",
    "load_curves": "harness.store.frames",
    **dict.fromkeys(_TASK, "harness.tasks.protocol"),
    **dict.fromkeys(("DataError", "DeviceError"), "harness.errors"),
}


def __getattr__(name: str) -> Any:
    """The public names, imported on first use so that `import harness` stays light."""
    if name == "statistics":
        return importlib.import_module("harness.analysis.statistics")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
