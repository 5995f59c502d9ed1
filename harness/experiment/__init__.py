"""Experiment files, plans and studies: composition, designs, validation, run ids."""

from harness.experiment.load import load_experiment
from harness.experiment.model import Experiment, Variant

__all__ = ["Experiment", "Variant", "load_experiment"]
