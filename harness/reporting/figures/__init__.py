"""Figures of plans and searches. `main_figure` chooses by the plan's design."""

from harness.reporting.figures.choice import design, main_figure
from harness.reporting.figures.cost import cost, sizes
from harness.reporting.figures.curves import curves
from harness.reporting.figures.digest import InputDigests
from harness.reporting.figures.dose import dose
from harness.reporting.figures.facets import facets
from harness.reporting.figures.forest import forest
from harness.reporting.figures.front import pareto
from harness.reporting.figures.grid import grid
from harness.reporting.figures.history import history
from harness.reporting.figures.importance import importance
from harness.reporting.figures.layout import text_figure
from harness.reporting.figures.network import network
from harness.reporting.figures.pair import pair
from harness.reporting.figures.parallel import parallel
from harness.reporting.figures.search_subject import ConfirmationResults, SearchSubject, SeedValues
from harness.reporting.figures.single import related_metrics, single_variant, split_and_quantity
from harness.reporting.figures.slices import slices
from harness.reporting.figures.style import rendered, save
from harness.reporting.figures.subject import Subject
from harness.reporting.figures.tuning import Setting, TuningCurves, tuning

__all__ = [
    "ConfirmationResults",
    "InputDigests",
    "SearchSubject",
    "SeedValues",
    "Setting",
    "Subject",
    "TuningCurves",
    "cost",
    "curves",
    "design",
    "dose",
    "facets",
    "forest",
    "grid",
    "history",
    "importance",
    "main_figure",
    "network",
    "pair",
    "parallel",
    "pareto",
    "related_metrics",
    "rendered",
    "save",
    "single_variant",
    "sizes",
    "slices",
    "split_and_quantity",
    "text_figure",
    "tuning",
]
