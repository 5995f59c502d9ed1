"""Two variants: values joined by seed, and the paired difference with interval and margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.reporting import phrases
from harness.reporting.figures.layout import (
    BAND,
    INK,
    PALE,
    better_hint,
    bounds,
    empty_figure,
    new_figure,
    show_text,
    signed,
    wrap_label,
)
from harness.reporting.figures.marks import set_tooltips, signed_figure
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.3
GOLDEN = 0.618  # golden ratio: its multiples modulo 1 spread dots of one height evenly
LABEL = 28  # letters of both names on one line
MEAN = 0.95  # x of the mean
NEAR_ZERO = 0.12  # share of the axis that half of the words beside the mean need


def pair(subject: Subject) -> Figure:
    """Left, values by seed with mean and sd; right, the differences at the current look. Unpaired: only their mean."""
    base = subject.plan.baseline
    (other,) = (variant for variant in subject.variants if variant != base)
    marks = ["joined dots: one seed" if subject.compared and not subject.unpaired else f"dots: {subject.replicates}"]
    marks += [f"short lines: means, with ± sd over {subject.replicates}"] if subject.compared and len(subject.values) > 1 else []
    cases = [phrases.plural(row.cases, "case") for row in (subject.rows[other],) if row.cases]
    key = "; ".join([*marks, subject.basis, *cases])
    if subject.values.empty:
        return empty_figure(subject)
    with drawing():
        figure, (left, right) = new_figure(HEIGHT, phrases.rehearsal(subject.plan), key, ratios=(1.15, 1.0))
        _values(left, subject, (base, other))
        if subject.compared and subject.rows[other].pairs:
            _difference(right, subject, base, other)
        else:
            nothing = "a variant has no value" if subject.unpaired else "no seed has a value for both"
            show_text(right, nothing if subject.compared else subject.no_difference)
    return figure


def _values(axis: Axes, subject: Subject, variants: tuple[str, str]) -> None:
    values, styles = subject.values, line_styles(subject.variants)
    both = values.dropna(subset=list(variants))
    if subject.compared and not subject.unpaired:  # a line's slope shows a difference
        axis.plot([0, 1], both[list(variants)].to_numpy().T, color=PALE, linewidth=0.8, alpha=0.55, zorder=2)
    labels = []
    for place, variant in enumerate(variants):
        own, line = values[variant].dropna(), styles[variant]
        dots = axis.plot(
            [place] * len(own), own, line.marker, color=line.colour, markersize=5.5, markeredgecolor="white", markeredgewidth=0.6
        )
        set_tooltips(dots, subject.tooltips(variant, own))
        words = wrap_label(variant, 20)
        if subject.compared and len(own) > 1:
            side = -0.16 if place == 0 else 0.16
            reach = [place + side - 0.08, place + side + 0.08]
            set_tooltips(
                axis.plot(reach, [own.mean()] * 2, color=line.colour, linewidth=2.4, zorder=3),
                [subject.mean_tooltip(variant, own)],
            )
        if subject.compared:
            spread = phrases.spread(float(own.mean()), float(own.std(ddof=1)), subject.places)
            words += f"\n{spread}" if len(spread) < LABEL // 2 else f"\n{spread.replace(' ± ', f'{chr(10)}± ')}"
        labels.append(words)
    axis.set_xticks([0, 1], labels)
    axis.set_xlim(-0.5, 1.5)
    axis.margins(y=0.12)
    axis.grid(visible=False, axis="x")
    axis.set_ylabel(subject.axis)


def _difference(axis: Axes, subject: Subject, base: str, other: str) -> None:
    row = subject.rows[other]
    paired = not subject.unpaired
    pairs = (subject.values[other] - subject.values[base]).dropna() if paired else subject.values[other].iloc[:0]
    by_seed = pairs.tolist()
    places = [((index * GOLDEN) % 1 - 0.5) * 0.36 for index in range(len(by_seed))]
    axis.axhline(0, color=INK, linewidth=1.0, zorder=2)
    reach = [0.0, row.difference, *by_seed, *(row.interval or ())]
    if subject.margin is not None:
        axis.axhspan(-subject.margin, subject.margin, color=BAND, zorder=0, linewidth=0)
        words = f"{subject.margin_words}\nmargin"
        axis.annotate(
            words, (1, 0), (6, 0), axis.get_yaxis_transform(), textcoords="offset points", va="center", fontsize=7.5, color=PALE
        )
        reach += [-subject.margin, subject.margin]
    dots = axis.plot(places, by_seed, "o", color=PALE, markersize=4.5, alpha=0.75, markeredgewidth=0, zorder=3)
    names = f"{other} minus {base}"
    set_tooltips(dots, [f"{signed_figure(value)} {subject.unit}\n{names}, seed {seed}" for seed, value in pairs.items()])
    ticks = {0.0: f"each of\n{phrases.plural(row.pairs, 'seed')}" if row.pairs > 1 else "the seed"} if paired else {}
    if row.interval is not None or not paired:
        set_tooltips(
            axis.plot([MEAN], [row.difference], "D", color=INK, markersize=7, zorder=4), [subject.difference_tooltip(row)]
        )
        words = f"{signed(row.difference, subject.places)} {subject.unit}".rstrip()
        ticks[MEAN] = (
            f"over {row.cases:,d} cases" if row.cases else "mean" if paired else f"unpaired,\n{phrases.counted_runs(row.runs)}"
        )
        if row.interval is not None:
            axis.plot([MEAN] * 2, row.interval, color=INK, linewidth=2.2, solid_capstyle="butt", zorder=3)
            words += f"\n{bounds(row.interval, subject.places)}"
            ticks[MEAN] += f",\n{subject.level}"
        if max(map(len, words.split("\n"))) >= LABEL * 3 // 4:  # numbers with exponents
            words = words.replace(", ", ",\n")
        near = abs(row.difference) < NEAR_ZERO * (max(reach) - min(reach))  # the line would go through the words
        up = 1 if row.difference >= 0 else -1
        at, beside, va = (0.0, 4 * up, "bottom" if up > 0 else "top") if near else (row.difference, 0, "center")
        axis.annotate(words, (MEAN, at), (9, beside), textcoords="offset points", va=va, fontsize=9, color=INK)
    axis.set_xticks(list(ticks), list(ticks.values()))
    axis.set_xlim(-0.4, 2.0)
    edge = 0.06 * (max(reach) - min(reach) or 1.0)
    axis.set_ylim(min(reach) - edge, max(reach) + edge)
    axis.grid(visible=False, axis="x")
    one, less = phrases.shorten([other, base], 24)
    names = f"{one} minus {less}" if len(one) + len(less) < LABEL else f"{one}\nminus {less}"
    axis.set_ylabel(f"{names}\n({', '.join(filter(None, [subject.unit, better_hint(subject.metric.goal, upward=True)]))})")
