"""An experiment file -> Experiment: composition, designs, validation."""

from harness.experiment.model import Experiment, Variant, load_experiment

__all__ = ["Experiment", "Variant", "load_experiment"]
