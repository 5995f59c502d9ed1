"""Tuning curves: the metric that chooses settings against the setting, a line per variant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.experiment.claims import level_label
from harness.reporting import phrases
from harness.reporting.figures.layout import INK, PALE, add_space_below, better_hint, new_figure, wrap_label
from harness.reporting.figures.legend import legend
from harness.reporting.figures.search_subject import SeedValues, panels
from harness.reporting.figures.style import LineStyle, drawing, line_styles
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.4
TOGETHER = 8  # variants in one panel; beyond, a panel each
MOST_PANELS = 30
MOST_SETTINGS = 12  # with several parameters, the best of each variant
DECADE = 10.0  # ratio of largest to smallest from which on the axis is logarithmic
CHOSEN = "ring: chosen"


@dataclass(frozen=True)
class Setting:
    """A variant under one setting. `values`: dotted path -> value."""

    values: Mapping[str, Any]
    tried: SeedValues
    chosen: bool

    @property
    def label(self) -> str:
        """Its values, in the order of the paths."""
        return ", ".join(level_label(value) for value in self.values.values())


@dataclass(frozen=True)
class TuningCurves:
    """What every variant was tuned over, and the metric that chooses."""

    name: str
    metric: Metric
    paths: tuple[str, ...]
    variants: Mapping[str, tuple[Setting, ...]]  # in the order of the plan
    note: str | None = None

    @property
    def axis(self) -> str:
        """The metric with its unit."""
        return phrases.axis(self.name, self.metric.unit)

    @property
    def places(self) -> int:
        """Decimals of its values."""
        means = [each.tried.mean for own in self.variants.values() for each in own]
        return phrases.decimals([mean for mean in means if not math.isnan(mean)], self.metric)


def tuning(tuned: TuningCurves) -> Figure:
    """Means over the tuning's seeds, single seeds small; the chosen setting in a ring.

    With several parameters a panel per variant, its best settings in order.
    """
    if len(tuned.paths) > 1:
        return _ranked(tuned)
    styles, axis_of = line_styles(tuple(tuned.variants)), _scale(tuned)
    key = f"bold: mean over the tuning's seeds; thin: each seed; {CHOSEN}"
    with drawing():
        if len(tuned.variants) <= TOGETHER:
            figure, (axis,) = new_figure(HEIGHT, tuned.note)
            for variant, own in tuned.variants.items():
                _line(axis, own, styles[variant], axis_of)
            _finish(axis, tuned, axis_of)
            axis.set_ylabel(f"{tuned.axis}, {better_hint(tuned.metric.goal, upward=True)}")
            add_space_below(figure, legend(figure, styles, key))
            return figure
        shown = list(tuned.variants)[:MOST_PANELS]
        key += f"; the first {MOST_PANELS} of {len(tuned.variants)} variants" if len(shown) < len(tuned.variants) else ""
        figure, axes = panels(len(shown), tuned.note, key)
        bounds = _bounds([tuned.variants[variant] for variant in shown])
        for place, (axis, variant) in enumerate(zip(axes, shown, strict=True)):
            _line(axis, tuned.variants[variant], styles[variant], axis_of)
            _finish(axis, tuned, axis_of)
            axis.set_title(wrap_label(variant, 30), loc="left", fontsize=9)
            axis.set_ylim(*bounds)
            if place % 3 == 0:
                axis.set_ylabel(tuned.axis)
            else:
                axis.tick_params(labelleft=False)
        return figure


@dataclass(frozen=True)
class _Scale:
    """Positions of one parameter's settings: numbers to scale, others evenly spaced."""

    kind: str  # linear, log, even
    labels: tuple[str, ...]

    def place(self, setting: Setting) -> float:
        (value,) = setting.values.values()
        return float(self.labels.index(setting.label)) if self.kind == "even" else float(value)


def _scale(tuned: TuningCurves) -> _Scale:
    values = [value for own in tuned.variants.values() for each in own for value in each.values.values()]
    labels = tuple(dict.fromkeys(each.label for own in tuned.variants.values() for each in own))
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return _Scale("even", labels)
    log = min(values) > 0 and max(values) >= DECADE * min(values)
    return _Scale("log" if log else "linear", labels)


def _line(axis: Axes, own: Sequence[Setting], line: LineStyle, scale: _Scale) -> None:
    points = sorted(((scale.place(each), each) for each in own), key=lambda point: point[0])
    for place, each in points:
        seeds = each.tried.values
        axis.plot([place] * len(seeds), seeds, ".", color=line.colour, markersize=4, alpha=0.5, zorder=2)
    by_setting = [each.tried.values for _, each in points]
    if len({len(seeds) for seeds in by_setting}) == 1:  # else dots cannot be matched by seed
        for seeds in zip(*by_setting, strict=True):
            axis.plot([place for place, _ in points], seeds, color=line.colour, linewidth=0.6, alpha=0.35, zorder=1)
    style: dict[str, Any] = {"color": line.colour, "linestyle": line.dashes, "marker": line.marker}
    places, means = [place for place, _ in points], [each.tried.mean for _, each in points]
    axis.plot(places, means, markersize=5, linewidth=1.5, zorder=3, **style)
    for place, each in points:
        if each.chosen and each.tried.values:
            ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": line.colour, "markeredgewidth": 1.6}
            axis.plot([place], [each.tried.mean], "o", markersize=12, zorder=4, **ring)


def _finish(axis: Axes, tuned: TuningCurves, scale: _Scale) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    (path,) = tuned.paths
    places = sorted({scale.place(each) for own in tuned.variants.values() for each in own})
    if scale.kind == "even":
        axis.set_xticks(range(len(scale.labels)), [wrap_label(label, 14) for label in scale.labels])
        axis.set_xlim(-0.5, len(scale.labels) - 0.5)
    elif scale.kind == "log":
        axis.set_xscale("log")
        axis.set_xlim(places[0] / 1.25, places[-1] * 1.25)
    if scale.kind != "even" and len(places) <= 8:  # label exactly the tried values
        axis.xaxis.set_major_locator(FixedLocator(places))
        axis.xaxis.set_major_formatter(FixedFormatter([f"{place:g}" for place in places]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel(f"{path}, log scale" if scale.kind == "log" else path)


def _bounds(variants: Sequence[Sequence[Setting]]) -> tuple[float, float]:
    """Shared limits of all panels."""
    values = [value for own in variants for each in own for value in each.tried.values] or [0.0, 1.0]
    room = 0.08 * (max(values) - min(values)) or 0.5
    return min(values) - room, max(values) + room


def _ranked(tuned: TuningCurves) -> Figure:
    """With several parameters: a panel per variant, a row per setting, the best first."""
    sign = -1.0 if tuned.metric.goal == "maximize" else 1.0
    shown = list(tuned.variants)[:MOST_PANELS]
    styles = line_styles(tuple(tuned.variants))
    key = [f"settings: {', '.join(tuned.paths)}", "best first: mean over the tuning's seeds; small dots: seeds", CHOSEN]
    cut = max(map(len, tuned.variants.values())) > MOST_SETTINGS
    key += [f"the best {MOST_SETTINGS} of each variant"] if cut else []
    key += [f"the first {MOST_PANELS} of {len(tuned.variants)} variants"] if len(shown) < len(tuned.variants) else []
    with drawing():
        figure, axes = panels(len(shown), tuned.note, "; ".join(key))
        for axis, variant in zip(axes, shown, strict=True):
            known = [each for each in tuned.variants[variant] if each.tried.values]
            own = sorted(known, key=lambda each: sign * each.tried.mean)[:MOST_SETTINGS]
            line = styles[variant]
            for row, each in enumerate(own):
                seeds = each.tried.values
                axis.plot(seeds, [row] * len(seeds), ".", color=PALE, markersize=4, alpha=0.6, zorder=2)
                axis.plot([each.tried.mean], [row], line.marker, color=line.colour, markersize=5.5, zorder=3)
                if each.chosen:
                    ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.3}
                    axis.plot([each.tried.mean], [row], "o", markersize=11, zorder=4, **ring)
            axis.set_yticks(range(len(own)), phrases.shorten([each.label for each in own], 20), fontsize=7.5)
            axis.set_ylim(len(own) - 0.4, -0.6)
            axis.grid(visible=False, axis="y")
            axis.set_title(wrap_label(variant, 30), loc="left", fontsize=9)
            axis.set_xlabel(tuned.axis, fontsize=8)
    return figure
