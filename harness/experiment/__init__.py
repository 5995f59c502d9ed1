"""Experiment files, plans and studies: composition, designs, validation, run ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.experiment.load import load_experiment
    from harness.experiment.model import Experiment, Variant

__all__ = ["Experiment", "Variant", "load_experiment"]


def __getattr__(name: str) -> Any:
    """The public names, imported on first use: what only reads plans, or completes names, reads no experiment files."""
    if name == "load_experiment":
        from harness.experiment.load import load_experiment

        return load_experiment
    if name in __all__:
        from harness.experiment import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
