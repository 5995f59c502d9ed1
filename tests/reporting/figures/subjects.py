"""Subjects for tests of figures: plans of every design, with runs whose values are chosen, not drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from examples import ACCURACY, changed, images_plan
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.analysis.verdicts import Verdict, table
from harness.experiment.claims import Claim
from harness.experiment.plan import Plan, PlannedRun
from harness.reporting.figures import Subject
from harness.tasks.protocol import Metric

METRICS: Mapping[str, Metric] = {**ACCURACY, "parameters": Metric("", "minimize", exact=True)}


def plan_of(variants: Sequence[str], seeds: int = 3, **fields: Any) -> Plan:
    """A plan of any number of variants, each compared with the first; it is not a rehearsal."""
    fields = {"profile": None, "margin": 0.25, "looks": (seeds,), **fields}
    runs = tuple(
        PlannedRun(id=f"{place:06x}{seed:06x}", variant=label, seed=seed, look=seeds)
        for seed in range(seeds)
        for place, label in enumerate(variants)
    )
    plan = images_plan(tuple(variants)[:2], seeds)
    config = plan.variants[variants[0]]
    own = {
        "variants": dict.fromkeys(variants, config),
        "data": dict.fromkeys(variants, "images:1"),
        "levels": {label: {} for label in variants},
        "over": dict.fromkeys(variants, variants[0]),
    }
    return changed(plan, **{**own, "runs": runs, **fields})


def doses(factor: str, numbers: Sequence[float], seeds: int = 3, **fields: Any) -> Plan:
    """A plan of one factor of numbers."""
    labels = {f"{factor}={number:g}": f"{number:g}" for number in numbers}
    levels = dict(zip(labels.values(), numbers, strict=True))
    own = {"factors": {factor: levels}, "levels": {label: {factor: level} for label, level in labels.items()}}
    return plan_of(tuple(labels), seeds, **{**own, **fields})


def crossed(first: Sequence[str], second: Sequence[str], seeds: int = 3) -> Plan:
    """A plan of two crossed factors, `lr` and `schedule`."""
    labels = {f"lr={one}, schedule={two}": {"lr": one, "schedule": two} for one in first for two in second}
    factors = {"lr": {one: float(one) for one in first}, "schedule": dict.fromkeys(second)}
    return plan_of(tuple(labels), seeds, factors=factors, levels=labels)


def runs_of(plan: Plan, states: Mapping[tuple[str, int], str] | None = None, ended: int | None = None) -> pd.DataFrame:
    """The place in the plan is the accuracy's mean, beside 90; seeds add 0, 0.1, 0.4, ... and a little more that is a variant's own."""
    rows = []
    for run in plan.runs:
        place = list(plan.variants).index(run.variant)
        state = (states or {}).get((run.variant, run.seed), "completed" if ended is None or run.seed < ended else "pending")
        value = 90.0 + place + 0.1 * run.seed**2 + 0.05 * math.sin(7 * place + 3 * run.seed)
        done = state == "completed"
        rows.append(
            {
                "id": run.id,
                "variant": run.variant,
                "seed": run.seed,
                "state": state,
                "test_accuracy": value if done else np.nan,
                "train_loss": value / 100 if done else np.nan,
                "parameters": 1000.0 * 2**place if done else np.nan,
            }
        )
    return pd.DataFrame(rows)


def subject_of(
    plan: Plan, runs: pd.DataFrame | None = None, verdicts: Sequence[Verdict] = (), metric: str = "test_accuracy"
) -> Subject:
    """What is drawn: the plan's runs (all completed, where none are given) and their table."""
    frame = runs_of(plan) if runs is None else runs
    return Subject(plan, frame, table(plan, frame, metric), METRICS, verdicts)


def verdict(claim: Claim, optima: tuple[str, ...] = ()) -> Verdict:
    """A verdict of which figures read the claim and the optima."""
    return Verdict(claim, True, "supported", (), (), None, False, (), optima)


def words(figure: Figure) -> str:
    """Everything that is written in and around the panels."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.texts]
    for axis in figure.axes:
        found += [text.get_text() for text in axis.texts]
        found += [label.get_text() for label in (*axis.get_xticklabels(), *axis.get_yticklabels())]
        found += [axis.get_xlabel(), axis.get_ylabel()]
    for legend in figure.legends:
        found += [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]
    return " | ".join(found)


def marks(axis: Axes) -> list[tuple[str, float, float, str]]:
    """(marker, x, y, fill) of every point that is drawn by a marker alone, in the order of drawing."""
    found = []
    for line in axis.lines:
        if line.get_linestyle() == "None" and line.get_marker() != "None":
            points = np.asarray(line.get_xydata(), dtype=float)
            found += [(str(line.get_marker()), x, y, str(line.get_markerfacecolor())) for x, y in points]
    return found


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of words that lie over each other, and words that lie outside the figure (paired with themselves)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *(text for legend in figure.legends for text in (legend.get_title(), *legend.get_texts()))]
    for axis in figure.axes:
        texts += [*axis.texts, axis.xaxis.label, axis.yaxis.label]
        for scale in (axis.xaxis, axis.yaxis):  # ticks beyond the limits exist, but are not drawn
            low, high = sorted(scale.get_view_interval())
            texts += [tick.label1 for tick in scale.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_visible() and text.get_text().strip()
    ]
    whole = figure.bbox.padded(1)
    bad = [(name, name) for name, box in boxes if not (whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1))]
    for index, (name, box) in enumerate(boxes):
        bad += [(name, other) for other, its in boxes[index + 1 :] if box.padded(-1.5).overlaps(its.padded(-1.5))]
    return bad
