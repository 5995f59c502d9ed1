"""Figures of plans and searches. `main_figure` chooses by the plan's design."""

from harness.reporting.figures.choice import design, main_figure
from harness.reporting.figures.cost import cost, differ, sizes
from harness.reporting.figures.course import alike, course
from harness.reporting.figures.curves import curves
from harness.reporting.figures.dose import dose
from harness.reporting.figures.forest import forest
from harness.reporting.figures.front import pareto
from harness.reporting.figures.grid import grid
from harness.reporting.figures.history import history
from harness.reporting.figures.importance import importance
from harness.reporting.figures.network import network
from harness.reporting.figures.pair import pair
from harness.reporting.figures.parallel import parallel
from harness.reporting.figures.searched import Confirmed, Fresh, SearchSubject
from harness.reporting.figures.sheet import words
from harness.reporting.figures.slices import slices
from harness.reporting.figures.style import save
from harness.reporting.figures.subject import Subject
from harness.reporting.figures.tuning import Setting, Tuned, tuning

__all__ = [
    "Confirmed",
    "Fresh",
    "SearchSubject",
    "Setting",
    "Subject",
    "Tuned",
    "alike",
    "cost",
    "course",
    "curves",
    "design",
    "differ",
    "dose",
    "forest",
    "grid",
    "history",
    "importance",
    "main_figure",
    "network",
    "pair",
    "parallel",
    "pareto",
    "save",
    "sizes",
    "slices",
    "tuning",
    "words",
]
