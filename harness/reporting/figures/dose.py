"""Dose response of a numeric factor: values by seed, means with intervals, claims about the doses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.experiment.claims import DeclineClaim, ProportionClaim, RangeClaim
from harness.reporting import phrases
from harness.reporting.figures.layout import BAND, INK, PALE, empty_figure, new_figure
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.scale import Scale, scale
from harness.reporting.figures.style import COLOURS, drawing
from harness.reporting.figures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.4
EDGE = 0.06  # of the axis, beyond the first and last level
MANY_SEEDS = 100  # from here on they are rasterized
TURNED = 4.5  # letters between two rotated labels
HEADROOM = 0.16  # share of the values' range, for the claims


def dose(subject: Subject) -> Figure:
    """The metric by dose. Filled means may be the best dose (by `best_in_range`); without such a claim all are filled."""
    ((factor, numbers),) = subject.plan.factors.items()
    optima = {level for verdict in subject.verdicts for level in verdict.optima if _is_about(verdict.claim, subject)}
    ranked = bool(optima) and subject.compared
    key = ["thin lines: seeds" if subject.compared and not subject.unpaired else f"dots: {subject.replicates}"]
    key += [f"mean with {subject.level}" if len(subject.values) > 1 else "mean"] if subject.compared else []
    key += ["filled: may be the best; open: is not" if ranked else ""]
    key += [subject.basis]
    if subject.values.empty:
        return empty_figure(subject)
    with drawing():
        figure, (axis,) = new_figure(HEIGHT, phrases.rehearsal(subject.plan), "; ".join(filter(None, key)))
        _doses(axis, subject, factor, scale(numbers), optima if ranked else set(numbers))
    return figure


def _is_about(claim: object, subject: Subject) -> bool:
    return isinstance(claim, RangeClaim) and claim.metric == subject.table.metric


def _doses(axis: Axes, subject: Subject, factor: str, places: Scale, filled: set[str]) -> None:
    import numpy as np
    from matplotlib.collections import LineCollection

    variant_of = {own[factor]: variant for variant, own in subject.plan.levels.items()}
    columns = [variant_of[level] for level in places.levels]
    values = subject.values[columns]
    # A line's slope shows a difference: before the first look only dots are drawn.
    seeds = [np.column_stack([places.places, own])[~np.isnan(own)] for own in values.to_numpy()]
    faint: dict[str, Any] = {"color": PALE, "zorder": 2, "rasterized": len(seeds) > MANY_SEEDS}
    joined = subject.compared and not subject.unpaired
    size: dict[str, Any] = {"alpha": 0.45, "markersize": 5} if joined else {"alpha": 0.7, "markersize": 9}
    if joined:
        axis.add_collection(LineCollection(seeds, linewidths=0.7, alpha=0.45, **faint))
    dots = axis.plot(*np.concatenate(seeds).T, ".", markeredgewidth=0, **size, **faint)
    texts = {variant: dict(zip(values.index, subject.tooltips(variant, values[variant]), strict=True)) for variant in columns}
    set_tooltips(
        dots, [texts[variant][seed] for seed, own in values.iterrows() for variant in columns if not np.isnan(own[variant])]
    )
    if subject.compared:
        axis.plot(places.places, values.mean().to_numpy(), color=COLOURS[0], linewidth=1.0, zorder=3)
        for place, level, variant in zip(places.places, places.levels, columns, strict=True):
            own = values[variant].dropna()
            interval = subject.interval(own)
            if interval is not None:
                axis.plot([place] * 2, interval, color=COLOURS[0], linewidth=2.2, solid_capstyle="butt", zorder=4)
            fill = COLOURS[0] if level in filled else "white"
            mark: dict[str, Any] = {"markersize": 7.5, "markeredgewidth": 1.4, "zorder": 5}
            mean = axis.plot(
                [place] * min(len(own), 1), [own.mean()] * min(len(own), 1), "o", color=COLOURS[0], markerfacecolor=fill, **mark
            )
            set_tooltips(mean, [subject.mean_tooltip(variant, own)])
    axis.set_xlim(-EDGE, 1 + EDGE)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + HEADROOM * (high - low))
    _claimed(axis, subject, factor, places)
    ticks(axis, places)
    axis.set_xlabel(f"{phrases.label(factor)}{places.suffix}")
    axis.set_ylabel(subject.axis)


def ticks(axis: Axes, places: Scale, letters: float = 90) -> None:
    """A tick per level, with a label where there is room: rotated where they would overlap; `letters` fill the axis."""
    gaps = [high - low for low, high in zip(places.places, places.places[1:], strict=False)]
    shown = phrases.shorten(places.levels, 24)
    close = bool(gaps) and max(map(len, shown)) + 1 > min(gaps) * letters
    turn: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if close else {}
    last, texts = -math.inf, []
    for place, text in zip(places.places, shown, strict=True):
        room = not close or (place - last) * letters >= TURNED
        texts.append(text if room else "")
        last = place if room else last
    axis.set_xticks(places.places, texts, **turn)
    axis.grid(visible=False, axis="x")


def _claimed(axis: Axes, subject: Subject, factor: str, places: Scale) -> None:
    """Claims about the doses, a line of text each above the values."""
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": INK, "va": "top"}
    height = 0.985
    for verdict in subject.verdicts:
        claim = verdict.claim
        if claim.metric != subject.table.metric or getattr(claim, "factor", None) != factor:
            continue
        if isinstance(claim, RangeClaim):
            low, high = (places.place(bound) for bound in claim.inside)
            axis.axvspan(low, high, color=BAND, zorder=0, linewidth=0)
            words = f"claimed best: {phrases.figure(claim.inside[0])} to {phrases.figure(claim.inside[1])}"
            x, ha, beside = (low + high) / 2, "center", 0
        elif isinstance(claim, DeclineClaim | ProportionClaim):
            x = places.place(claim.beyond)
            ha, beside = ("left", 5) if x < 0.6 else ("right", -5)
            axis.axvline(x, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
            what = "declines"
            if isinstance(claim, ProportionClaim):
                what = f"no gain in proportion to {phrases.label(claim.dose or factor)}"
            words = f"claimed: {what} beyond {phrases.figure(claim.beyond)} \N{RIGHTWARDS ARROW}"
        else:
            continue
        axis.annotate(words, (x, height), (beside, 0), axis.get_xaxis_transform(), ha=ha, **style)
        height -= 0.07
