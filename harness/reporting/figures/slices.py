"""Slice plot of a search: the objective against each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.experiment.space import Categorical, Range
from harness.reporting import phrases
from harness.reporting.figures.layout import INK, wrap_label
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.search_subject import NAME, SearchSubject, logarithmic, panels, shades
from harness.reporting.figures.style import drawing
from harness.search.trials import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12  # panels
MANY_OPTIONS = 4  # more options have rotated labels
EDGE = 0.04  # of a range, beyond its ends


def slices(subject: SearchSubject) -> Figure:
    """A dot per completed trial, dark for later ones; the best in a ring. Ranges with log have a logarithmic axis."""
    shares = next(iter(subject.importances.values()), {})
    order = sorted(subject.study.space, key=lambda parameter: -shares.get(parameter.name, 0.0))
    shown = order[:MOST]
    key = ["dots: completed trials, later ones darker", "ring: the best"]
    key += [f"the {MOST} most important of {len(order)} parameters"] if len(shown) < len(order) else []
    with drawing():
        figure, axes = panels(len(shown), subject.note, "; ".join(key))
        for place, (axis, parameter) in enumerate(zip(axes, shown, strict=True)):
            own = [trial for trial in subject.completed if parameter.name in trial.values]
            _panel(axis, subject, parameter, own)
            if place % 3 == 0:
                axis.set_ylabel(subject.axis())
            else:
                axis.tick_params(labelleft=False)
            axis.set_ylim(*_bounds(subject))
    return figure


def _bounds(subject: SearchSubject) -> tuple[float, float]:
    values = [subject.value(trial) for trial in subject.completed]
    room = 0.07 * (max(values) - min(values)) or 0.5
    return min(values) - room, max(values) + room


def _panel(axis: Axes, subject: SearchSubject, parameter: Range | Categorical, trials: Sequence[Trial]) -> None:
    from matplotlib.ticker import MaxNLocator

    values = [subject.value(trial) for trial in trials]
    colours = shades([float(trial.number) for trial in trials], upward=True)
    options = list(parameter.options) if isinstance(parameter, Categorical) else []
    own = [trial.values[parameter.name] for trial in trials]
    places = [float(options.index(str(value))) for value in own] if options else [float(value) for value in own]
    crowd = len(trials) > 2000
    dots = axis.scatter(places, values, s=20, c=colours, linewidths=0, alpha=0.85, zorder=3, rasterized=crowd)
    set_tooltips([dots], [subject.tooltip(trial) for trial in trials])
    best = subject.best
    if best is not None and best in trials:
        place = places[trials.index(best)]
        axis.plot([place], [subject.value(best)], "o", markersize=9, markerfacecolor="none", color=INK, zorder=4)
    if isinstance(parameter, Categorical):
        width = 12 if len(options) <= MANY_OPTIONS else 16
        names = [wrap_label(option, width) for option in phrases.shorten(options, 2 * width - 4)]
        slant: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(options) > MANY_OPTIONS else {}
        axis.set_xticks(range(len(options)), names, fontsize=8, **slant)
        axis.set_xlim(-0.5, len(options) - 0.5)
    elif parameter.log:
        logarithmic(axis, parameter.low, parameter.high)
        room = (parameter.high / parameter.low) ** EDGE
        axis.set_xlim(parameter.low / room, parameter.high * room)
    else:
        room = EDGE * (parameter.high - parameter.low)
        axis.set_xlim(parameter.low - room, parameter.high + room)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=parameter.integer))
    name = phrases.shorten([parameter.name], NAME)[0]
    axis.set_xlabel(f"{name}, log scale" if isinstance(parameter, Range) and parameter.log else name)
