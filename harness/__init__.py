"""Ablations that end in a verdict: one YAML in, runs that survive, a report out.

experiments/*.yaml -> yamlfile, validation, claims, experiment/     what was asked, checked to the line and column
                   -> plan                                          every run, each with an id made of all that decides its bits
                   -> progress, worker, attempt, launch             what trains next, and training it
                   -> search/, stages                               trials of a search; what results choose, and what follows
                   -> store/                                        plain files that survive
                   -> tracking/                                     a mirror in Weights & Biases that training never waits for
                   -> frames, statistics/, verdicts/                tables, and what they say of the claims
                   -> calibration, power, images                    levels of looks; what a design finds; other test images
                   -> slurm/                                        the same workers as arrays on a cluster
                   -> wording/, figures/, writeup/, console/        words, plots, pages, the terminal
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.experiment import load_experiment
    from harness.frames import load_curves, load_runs
    from harness.plan import make_plan
    from harness.run import run_experiment
    from harness.sweep import run_search
    from harness.verdicts import judge
    from harness.writeup import write_report

__all__ = ["judge", "load_curves", "load_experiment", "load_runs", "make_plan", "run_experiment", "run_search", "write_report"]

_HOMES = {
    "load_experiment": "harness.experiment",
    "make_plan": "harness.plan",
    "run_experiment": "harness.run",
    "run_search": "harness.sweep",
    "write_report": "harness.writeup",
    "judge": "harness.verdicts",
    "load_runs": "harness.frames",
    "load_curves": "harness.frames",
}


def __getattr__(name: str) -> Any:
    """The public functions, imported on first use so that `import harness` stays light."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
