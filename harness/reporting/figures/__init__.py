"""Tables -> figures. `main_figure` picks by a plan's design; `style` holds what all share, `sheet` what some do."""

from harness.figures.choice import design, main_figure
from harness.figures.cost import cost, differ, sizes
from harness.figures.course import alike, course
from harness.figures.curves import curves
from harness.figures.dose import dose
from harness.figures.forest import forest
from harness.figures.front import pareto
from harness.figures.grid import grid
from harness.figures.history import history
from harness.figures.importance import importance
from harness.figures.network import network
from harness.figures.pair import pair
from harness.figures.parallel import parallel
from harness.figures.searched import Confirmed, Fresh, SearchSubject
from harness.figures.sheet import words
from harness.figures.slices import slices
from harness.figures.style import save
from harness.figures.subject import Subject
from harness.figures.tuning import Setting, Tuned, tuning

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
