"""Epochs of runs -> the data of live learning curves; `templates/chart.js` states their form."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.reporting import phrases
from harness.reporting.figures.dark import for_dark
from harness.reporting.figures.style import LineStyle, line_styles
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]

X: Final = "epoch"
BROKEN = ("failed", "diverged")

DIGITS = 5  # significant ones of every value
ALL_DIGITS = 1e15  # up to here, all digits before the point are kept

MOST_LINES = 240  # with more runs each variant is a mean and a range; more variants are left out
MOST_VALUES = 145_000  # of all lines and metrics together: less than 0.5 MB in a page, so that pages of 100 runs are below 1 MB
FEWEST_POINTS = 30  # of a line; rather than fewer, the last metrics are left out


def curve_data(
    epochs: pd.DataFrame, metrics: Mapping[str, Metric], variants: Sequence[str], claimed: Collection[str]
) -> dict[str, Any]:
    """The data of `lineChart`; JSON values.

    `epochs`: a row per run and epoch with id, variant, seed, state, epoch and a column per metric (`load_curves`); `metrics`: the
    declared ones, shown first; `variants`: all of the plan in order, which decides their colours; `claimed`: the metrics that
    claims are about, all others are exploratory. Means are over the runs that neither failed nor diverged, up to the epoch that
    all of them have reached. What would be too much for a page is left out, which `note` says.
    """
    epochs = epochs.astype({"id": "category", "variant": "category", "state": "category"})
    there = set(epochs["variant"].unique())
    present = [variant for variant in variants if variant in there]
    shown = present[:MOST_LINES]
    notes = []
    if len(shown) < len(present):
        notes.append(f"the first {len(shown)} of {len(present):,d} variants")
        epochs = epochs[epochs["variant"].isin(shown)]
    runs = int(epochs["id"].nunique())
    aggregated = runs > MOST_LINES
    lines = 3 * len(shown) if aggregated else runs + len(shown)
    every_name = recorded(epochs, metrics)
    names = every_name[: max(MOST_VALUES // max(lines * FEWEST_POINTS, 1), 1)]
    if len(names) < len(every_name):
        notes.append(f"the first {len(names)} of {len(every_name)} metrics")
    kept, step = thinned(epochs, MOST_VALUES // max(lines * len(names), 1))
    if step > 1:
        notes.append(f"one epoch in {step}, and the last of each run")
    if aggregated and (lost := int(epochs.loc[epochs["state"].isin(BROKEN), "id"].nunique())):
        notes.append(f"without {phrases.plural(lost, 'failed or diverged run')}")
    styles, places = line_styles(variants), {variant: place for place, variant in enumerate(shown)}
    return {
        "x": X,
        "metrics": {name: described(name, metrics.get(name), name in claimed) for name in names},
        "variants": [{"name": variant, **look_of(styles[variant])} for variant in shown],
        "lines": [] if aggregated else list(_runs(kept, names, places)),
        "means": list(_means(kept, names, places, ranges=aggregated)),
        "aggregated": aggregated,
        "note": "; ".join(notes) or None,
    }


def recorded(epochs: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[str]:
    """The names of all columns with a finite number, declared metrics first."""
    import numpy as np

    columns = [name for name in epochs.select_dtypes("number").columns if name not in ("seed", X)]
    found = [name for name in columns if np.isfinite(epochs[name].to_numpy(dtype=float, na_value=np.nan)).any()]
    return [name for name in metrics if name in found] + [name for name in found if name not in metrics]


def described(name: str, metric: Metric | None, claimed: bool) -> dict[str, Any]:
    """A metric for a reader."""
    known = {"unit": metric.unit, "better": metric.goal} if metric else {"unit": "", "better": None}
    return {"label": phrases.label(name), **known, "exploratory": not claimed}


def look_of(style: LineStyle) -> dict[str, Any]:
    """How a line of this style looks in a page: its colours on light and dark screens, and its dashes."""
    return {"colour": style.colour.lower(), "dark": for_dark(style.colour), "dashes": dash_array(style.dashes)}


def dash_array(dashes: Any) -> str | None:
    """Matplotlib's dashes as SVG's, for lines 2 px wide; None for a solid line."""
    return " ".join(f"{2 * length:g}" for length in dashes[1]) if isinstance(dashes, tuple) else None


def thinned(epochs: pd.DataFrame, points: int) -> tuple[pd.DataFrame, int]:
    """(the rows of about `points` epochs and the last ones of each run, every how many epochs they are)."""
    xs = sorted(epochs[X].unique())
    step = max(math.ceil(len(xs) / max(points, 1)), 1)
    if step == 1:
        return epochs, 1
    last = ~epochs["id"].duplicated(keep="last")
    return epochs[epochs[X].isin(xs[::step]) | last], step


def values(found: Iterable[float]) -> list[float | None]:
    """The numbers, shortened; None where there is no finite one."""
    return [shortened(float(value)) if math.isfinite(value) else None for value in found]


def shortened(value: float) -> float:
    """The number in 5 significant digits, large ones and whole ones in all digits before the point."""
    if abs(value) < ALL_DIGITS and (value.is_integer() or abs(value) >= 10 ** (DIGITS - 1)):
        return round(value)
    short = float(f"{value:.{DIGITS}g}")
    return short if math.isfinite(short) else value  # the largest numbers would be rounded to infinity


@dataclass(frozen=True)
class MeanLine:
    """Of a variant: mean, lowest and highest value of its runs by epoch; NaN where a run has no value."""

    variant: str
    n: int  # runs
    x: list[float]
    y: Mapping[str, Mapping[str, Numbers]]  # metric -> mean, low, high


def mean_lines(epochs: pd.DataFrame, names: Sequence[str]) -> Iterator[MeanLine]:
    """Of each variant with runs that neither failed nor diverged, up to the epoch that all of these have reached."""
    import numpy as np

    whole = epochs[~epochs["state"].isin(BROKEN)]
    runs = whole.groupby("variant", observed=True, sort=False)["id"].nunique()
    grouped = whole.groupby(["variant", X], observed=True, sort=True)
    size, columns = grouped.size(), grouped[list(names)]
    count = columns.count()
    found = {
        "mean": columns.mean().where(count.eq(size, axis=0)),
        "low": columns.min().where(count.eq(size, axis=0)),
        "high": columns.max().where(count.eq(size, axis=0)),
    }
    of_variant, xs = (size.index.get_level_values(name) for name in ("variant", X))
    for variant, n in runs.items():
        own = np.flatnonzero((of_variant == variant) & (size == n).to_numpy())
        y = {name: {kind: frame[name].to_numpy(dtype=float)[own] for kind, frame in found.items()} for name in names}
        yield MeanLine(
            str(variant), int(n), xs[own].tolist(), {name: of for name, of in y.items() if np.isfinite(of["mean"]).any()}
        )


def _runs(epochs: pd.DataFrame, names: Sequence[str], places: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for run_id, own in epochs.groupby("id", sort=False, observed=True):
        variant, seed, state = own[["variant", "seed", "state"]].iloc[0]
        y = {name: values(own[name].astype(float).tolist()) for name in names if own[name].notna().any()}
        yield {
            "variant": places[variant],
            "seed": int(seed),
            "run": str(run_id),
            "state": state,
            "x": values(own[X].tolist()),
            "y": y,
        }


def _means(epochs: pd.DataFrame, names: Sequence[str], places: Mapping[str, int], *, ranges: bool) -> Iterator[dict[str, Any]]:
    """The means of variants with several runs; `ranges`: of all variants, with their lowest and highest values."""
    for line in mean_lines(epochs, names):
        if line.n < 2 and not ranges:
            continue
        kinds = {"y": "mean", **({"low": "low", "high": "high"} if ranges else {})}
        y = {key: {name: values(of[kind]) for name, of in line.y.items()} for key, kind in kinds.items()}
        yield {"variant": places[line.variant], "x": values(line.x), "n": line.n, **y}
