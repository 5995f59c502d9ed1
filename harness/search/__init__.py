"""Searches: what is tried, how trials are given out and trained, and the plans that confirm the winner."""

from harness.experiment.study import Study, make_study
from harness.search.reconcile import load_studies, load_study, prepare, study_names
from harness.search.trials import Trial

__all__ = ["Study", "Trial", "load_studies", "load_study", "make_study", "prepare", "study_names"]
