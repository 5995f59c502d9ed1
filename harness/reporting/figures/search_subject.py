"""The data of a search's figures, and the panels that several of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from harness.experiment.space import Categorical, Range, Value
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.figures.layout import EDGE, KEY, LETTERS, LINE, NOTE_LINE, PALE, WIDTH, wrap_lines
from harness.search.trials import Trial
from harness.tasks.protocol import Metric
from harness.tasks.results import is_usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
PANEL = 2.35  # inches of height
MARKS = 5  # most ticks on a logarithmic axis
TOLD = 8  # parameters in the text of a mark
NAME = 30  # letters of a parameter's name on an axis


@dataclass(frozen=True)
class SeedValues:
    """The completed `runs` of a configuration and their `values` of the first objective, by seed."""

    values: tuple[float, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """NaN without a value."""
        return sum(self.values) / len(self.values) if self.values else math.nan


@dataclass(frozen=True)
class ConfirmationResults:
    """Results on fresh seeds: of the best trials, then of winner and base."""

    top: Mapping[int, SeedValues] = field(default_factory=dict)  # by trial
    winner: int | None = None  # trial
    final: Mapping[str, SeedValues] = field(default_factory=dict)  # base, winner


@dataclass(frozen=True)
class SearchSubject:
    """A study and its results so far."""

    study: Study
    trials: tuple[Trial, ...]
    metrics: Mapping[str, Metric]
    confirmed: ConfirmationResults
    base: int | None = None  # the trial with the base's own configuration
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # objective -> parameter -> share of 1

    @property
    def note(self) -> str | None:
        """The rehearsal warning above every figure."""
        return phrases.rehearsal(self.study)

    @property
    def goal(self) -> str:
        """Of the first objective."""
        return self.study.objectives[self.study.metric]

    @cached_property
    def completed(self) -> tuple[Trial, ...]:
        """The trials that have values, of all objectives, that can be drawn."""
        done = (trial for trial in self.trials if trial.state == "completed")
        return tuple(trial for trial in done if all(map(is_usable, trial.objectives.values())))

    @cached_property
    def best(self) -> Trial | None:
        """The completed trial with the best value of the first objective, the earliest on ties."""
        sign = -1.0 if self.goal == "maximize" else 1.0
        return min(self.completed, key=lambda trial: (sign * self.value(trial), trial.number), default=None)

    def value(self, trial: Trial, objective: str | None = None) -> float:
        """Of a completed trial."""
        return trial.objectives[objective or self.study.metric]

    def tooltip(self, trial: Trial) -> str:
        """The text of a trial's mark: its objectives, or its state, and its parameters."""
        values = [
            f"{phrases.label(name)} {phrases.figure(trial.objectives[name])} {self.metrics[name].unit}".rstrip()
            for name in self.study.objectives
            if name in trial.objectives
        ]
        shown = [
            f"{name} = {phrases.figure(value) if isinstance(value, float) else value}" for name, value in trial.values.items()
        ]
        more = [f"and {len(shown) - TOLD} more"] if len(shown) > TOLD else []
        state = "" if trial.state == "completed" else f", {trial.state}"
        return "\n".join([*values, f"trial {trial.number}{state}", *shown[:TOLD], *more])

    def axis(self, objective: str | None = None) -> str:
        """An objective with its unit."""
        name = objective or self.study.metric
        return phrases.axis(name, self.metrics[name].unit)

    def places(self, objective: str | None = None) -> int:
        """Decimals of an objective."""
        name = objective or self.study.metric
        return phrases.decimals([self.value(trial, name) for trial in self.completed], self.metrics[name])


def position(parameter: Range | Categorical, value: Value) -> float:
    """The position of a value in its parameter's range, 0 to 1; options are evenly spaced."""
    if isinstance(parameter, Categorical):
        options = list(parameter.options)
        return options.index(str(value)) / (len(options) - 1)
    low, high, own = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, own = math.log(low), math.log(high), math.log(own)
    return (own - low) / (high - low)


def panels(count: int, note: str | None, key: str | None) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, three per row. Call inside `drawing()`."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    above, below = wrap_lines(note, WIDTH * LETTERS / 1.35), wrap_lines(key, WIDTH * LETTERS)
    top, bottom = len(above) * NOTE_LINE + EDGE, (len(below) * LINE + EDGE) * bool(below)
    whole = PANEL * rows + (0.5 if rows == 1 else 0.0) + top + bottom
    figure = Figure(figsize=(WIDTH, whole))
    axes = [axis for row in figure.subplots(rows, columns, squeeze=False) for axis in row]
    if above:
        figure.text(EDGE / WIDTH, 1 - EDGE / whole, "\n".join(above), va="top", fontsize=9, fontweight="bold")
    if below:
        figure.text(EDGE / WIDTH, EDGE / whole, "\n".join(below), va="bottom", fontsize=KEY, color=PALE)
    rect = (0.005, bottom / whole, 0.985, 1 - (top + bottom) / whole)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, wspace=0.06, hspace=0.06))
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def shades(values: Sequence[float], upward: bool) -> list[tuple[float, ...]]:
    """A colour per value, by rank so that an outlier has no effect: pale for the worst, dark for the best."""
    from matplotlib import colormaps

    order = sorted(range(len(values)), key=lambda index: values[index], reverse=not upward)
    rank = {index: place / max(len(values) - 1, 1) for place, index in enumerate(order)}
    return [colormaps["YlGnBu"](0.25 + 0.7 * rank[index]) for index in range(len(values))]


def logarithmic(axis: Axes, low: float, high: float) -> None:
    """A logarithmic axis from `low` to `high`, with plain numbers at 1, 2 and 5 of each decade, or at decades."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wanted = (
        [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)],
        [10.0**decade for decade in decades],
        [10.0**decade for decade in decades if decade % 2 == 0],
        [10.0**decade for decade in decades if decade % 4 == 0],
    )
    inside = [[mark for mark in marks if low * (1 - 1e-9) <= mark <= high * (1 + 1e-9)] for marks in wanted]
    marks = next((found for found in inside if len(found) <= MARKS), inside[-1]) or [low, high]
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(marks))
    axis.xaxis.set_major_formatter(FixedFormatter([f"{mark:g}" for mark in marks]))
    axis.xaxis.set_minor_locator(NullLocator())
