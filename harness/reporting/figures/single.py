"""Learning curves of a single variant, with the thresholds that are claimed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.experiment.claims import ThresholdClaim
from harness.reporting import phrases
from harness.reporting.figures.curves import FEW_EPOCHS, MANY_POINTS, MOST_LINES, key, seeds_and_mean
from harness.reporting.figures.layout import PALE, SideLabel, new_figure, show_text, side_labels
from harness.reporting.figures.marks import set_tooltips
from harness.reporting.figures.style import drawing, line_styles
from harness.reporting.figures.subject import LOST, Subject, calculable
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.3
SPLITS = ("test", "train", "validation", "val", "valid", "eval")
OF_A_SPLIT = re.compile(rf"({'|'.join(SPLITS)})([_/.])(.+)")


def single_variant(subject: Subject, epochs: pd.DataFrame, name: str) -> Figure:
    """The metric `name` and the same quantity on other splits by epoch, unsmoothed: thin lines for seeds, bold for means.

    `epochs`: from `load_curves`. Dashed lines: claimed thresholds.
    """
    from matplotlib.ticker import MaxNLocator

    metric = subject.metrics.get(name)
    names = [each for each in related_metrics(name, subject.metrics) if each in epochs and calculable(epochs, each).any()]
    wording = "; ".join(filter(None, [key(epochs, MOST_LINES), subject.basis]))
    with drawing():
        figure, (axis,) = new_figure(HEIGHT, phrases.rehearsal(subject.plan), wording)
        if not names:
            show_text(
                axis,
                "no epoch has finished yet" if epochs.empty else phrases.nothing_drawn(phrases.label(name), epochs.get(name, ())),
            )
            return figure
        labels = _lines(axis, subject, epochs, names)
        axis.set_xlim(*_ends(epochs))
        bounds = thresholds(subject, names)
        for value, words in bounds.items():
            axis.axhline(value, color=PALE, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
            labels.append(SideLabel(axis.get_xlim()[1], value, words, PALE))
        axis.margins(y=0.08)
        axis.set_ylim(axis.get_ylim())
        if len(labels) > 1:
            side_labels(axis, labels)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axis.set_xlabel("epoch")
        what = name if len(names) == 1 else split_and_quantity(name)[1]
        axis.set_ylabel(phrases.axis(what, metric.unit if metric else ""))
    return figure


def related_metrics(name: str, known: Mapping[str, object]) -> list[str]:
    """`name`, then the same quantity on other splits: `train_accuracy` beside `test_accuracy`, `train/loss` beside `val/loss`."""
    found = OF_A_SPLIT.fullmatch(name)
    others = [f"{other}{found[2]}{found[3]}" for other in SPLITS if other != found[1]] if found else []
    return [name, *(other for other in others if other in known)]


def split_and_quantity(name: str) -> tuple[str, str]:
    """`test_loss` or `test/loss` -> test, loss; of another name no split."""
    found = OF_A_SPLIT.fullmatch(name)
    return (found[1], found[3]) if found else ("", name)


def thresholds(subject: Subject, names: Sequence[str]) -> dict[float, str]:
    """Value -> label of its line."""
    found: dict[float, str] = {}
    for name in names:
        prefix = f"{phrases.label(name).split()[0]}, " if len(names) > 1 else ""
        for verdict in subject.verdicts:
            claim = verdict.claim
            if isinstance(claim, ThresholdClaim) and claim.metric == name:
                bound = f"{phrases.label(claim.kind)} {phrases.figure(claim.value)} {subject.metrics[name].unit}".rstrip()
                found.setdefault(claim.value, f"{prefix}claimed: {bound}")
    return found


def _lines(axis: Axes, subject: Subject, epochs: pd.DataFrame, names: Sequence[str]) -> list[SideLabel]:
    """A line per metric, with a label at its end."""
    labels = []
    for place, (name, line) in enumerate(line_styles(names).items()):
        values = epochs[calculable(epochs, name)]
        if values.empty:
            continue
        long = values["epoch"].nunique() > FEW_EPOCHS
        seeds_and_mean(axis, values, name, line, shift=place / len(names), long=long, crowd=len(values) > MANY_POINTS)
        ends = values.groupby("seed").tail(1)
        _mark_ends(axis, ends, name, subject.metrics.get(name))
        last = values[values["epoch"] == values["epoch"].max()]
        words = phrases.label(name).split()[0] if len(names) > 1 else phrases.label(name)
        labels.append(SideLabel(float(last["epoch"].iloc[0]), float(last[name].mean()), words, line.colour))
    return labels


def _mark_ends(axis: Axes, ends: pd.DataFrame, name: str, metric: Metric | None) -> None:
    """Invisible marks at the last value of each seed, for its tooltip."""
    unit = metric.unit if metric else ""
    texts = [
        f"{phrases.figure(float(row[name]))} {unit}".rstrip()
        + f"\n{phrases.label(name)}, seed {row['seed']}, epoch {row['epoch']:g}"
        + (f", {row['state']}" if row["state"] in LOST else "")
        + (f"\nrun {row['id']}" if "id" in row else "")
        for _, row in ends.iterrows()
    ]
    set_tooltips([axis.scatter(ends["epoch"], ends[name], s=36, facecolors="none", edgecolors="none")], texts)


def _ends(epochs: pd.DataFrame) -> tuple[float, float]:
    first, last = epochs["epoch"].min(), epochs["epoch"].max()
    edge = 0.5 if first == last else 0.02 * (last - first)
    return first - edge, last + edge
