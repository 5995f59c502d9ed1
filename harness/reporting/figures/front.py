"""The Pareto front of a search with several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.reporting.figures.layout import INK, PALE, better_hint
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.search_subject import SearchSubject, panels
from harness.reporting.figures.style import COLOURS, drawing
from harness.search.trials import Trial, front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 12  # fronts up to this size have trial numbers


def pareto(subject: SearchSubject) -> Figure:
    """The first objective against each other one: front filled (joined for two objectives), dominated trials pale."""
    first, *others = subject.study.objectives
    members = front(subject.study, subject.completed)
    named = ", with the number of the trial" if len(members) <= NAMED else ""
    with drawing():
        figure, axes = panels(len(others), subject.note, f"filled: on the front{named}; pale: dominated by another trial")
        for axis, other in zip(axes, others, strict=True):
            _panel(axis, subject, (other, first), members, joined=len(others) == 1)
        axes[0].set_ylabel(f"{subject.axis(first)}, {better_hint(subject.goal, upward=True)}")
        if len(others) == 1:
            figure.set_figheight(figure.get_figheight() + 0.7)
    return figure


def _panel(axis: Axes, subject: SearchSubject, names: tuple[str, str], members: list[Trial], joined: bool) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    across, up = names
    others = [trial for trial in subject.completed if trial not in members]
    ordered = sorted(members, key=lambda trial: (subject.value(trial, across), subject.value(trial, up), trial.number))
    beaten = [(subject.value(trial, across), subject.value(trial, up)) for trial in others]
    own = [(subject.value(trial, across), subject.value(trial, up), trial.number) for trial in ordered]
    pale = axis.plot(
        [x for x, _ in beaten], [y for _, y in beaten], "o", color=PALE, alpha=0.4, markersize=4.5, markeredgewidth=0
    )
    set_tooltips(pale, [subject.tooltip(trial) for trial in others])
    places, heights = [x for x, _, _ in own], [y for _, y, _ in own]
    dots = axis.plot(places, heights, "o-" if joined else "o", color=COLOURS[0], markersize=6.5, linewidth=1.0, zorder=3)
    set_tooltips(dots, [subject.tooltip(trial) for trial in ordered])
    for x, y, number in own if len(own) <= NAMED else ():
        axis.annotate(str(number), (x, y), (5, 5), textcoords="offset points", fontsize=8, color=INK)
    axis.margins(0.08)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if max((abs(x) for x, *_ in own), default=0.0) >= 10_000:
        axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axis.set_xlabel(f"{subject.axis(across)}, {better_hint(subject.study.objectives[across], upward=False)}")
