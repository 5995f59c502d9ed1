"""Epochs of runs -> the data of live learning curves (`templates/chart.js` states their form), and of curves.json."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.reporting import phrases
from harness.reporting.figures.dark import for_dark
from harness.reporting.figures.style import line_styles
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    import pandas as pd

X = "epoch"
IDENTITY = ("id", "variant", "seed", "state", X)
BROKEN = ("failed", "diverged")
DIGITS = 5  # significant ones of every value
ALL_DIGITS = 1e15  # up to here, whole numbers are exact

MOST_LINES = 240  # with more runs, each variant is a mean and a range
MOST_VALUES = 270_000  # of all lines and metrics together: about 0.6 MB in a page
FEWEST_POINTS = 40  # of a line; with too many metrics, the last of them are left out


def curve_data(
    epochs: pd.DataFrame, metrics: Mapping[str, Metric], variants: Sequence[str], claimed: Collection[str]
) -> dict[str, Any]:
    """The data of `lineChart`; JSON values.

    `epochs`: a row per run and epoch with id, variant, seed, state, epoch and a column per metric (`load_curves`); `metrics`: the
    declared ones, shown first; `variants`: all of the plan in order, which decides their colours; `claimed`: metrics that claims
    are about, all others are exploratory. Means are over the runs that neither failed nor diverged, up to the epoch that all of
    them have reached. Where it would be too much, only some epochs are kept, which `note` says.
    """
    lost = epochs["state"].isin(BROKEN)
    present = [variant for variant in variants if variant in set(epochs["variant"].unique())]
    aggregated = int(epochs["id"].nunique()) > MOST_LINES
    notes = []
    shown = present[:MOST_LINES]
    if len(shown) < len(present):
        notes.append(f"the first {len(shown)} of {len(present)} variants")
        epochs = epochs[epochs["variant"].isin(shown)]
    names = recorded(epochs, metrics)
    lines = 3 * len(shown) if aggregated else int(epochs["id"].nunique()) + len(shown)
    most = max(MOST_VALUES // max(lines * FEWEST_POINTS, 1), 1)
    if len(names) > most:
        notes.append(f"{most} of {len(names)} metrics")
        names = names[:most]
    kept, every = thinned(epochs, MOST_VALUES // max(lines * len(names), 1))
    if every > 1:
        notes.append(f"every {every} epochs and the last one of each line")
    if aggregated and lost.any():
        notes.append(f"{phrases.plural(int(epochs.loc[lost, 'id'].nunique()), 'failed or diverged run')} left out")
    styles, places = line_styles(variants), {variant: place for place, variant in enumerate(shown)}
    return {
        "x": X,
        "metrics": {name: described(name, metrics.get(name), name not in claimed) for name in names},
        "variants": [
            {
                "name": variant,
                "colour": styles[variant].colour.lower(),
                "dark": for_dark(styles[variant].colour),
                "dashes": dash_array(styles[variant].dashes),
            }
            for variant in shown
        ],
        "lines": [] if aggregated else list(_runs(kept, names, places)),
        "means": list(_means(epochs, kept, names, places, ranges=aggregated)),
        "aggregated": aggregated,
        "note": "; ".join(notes) or None,
    }


def packed(data: Mapping[str, Any]) -> str:
    """The data as compressed JSON in base64, which `unpacked` in page.js reads: raw deflate."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(squeezed.compress(text.encode()) + squeezed.flush()).decode()


def recorded(epochs: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[str]:
    """The names of all columns with a finite number: declared metrics first."""
    import numpy as np

    numeric = [name for name in epochs.select_dtypes("number").columns if name not in IDENTITY]
    found = [name for name in numeric if np.isfinite(epochs[name].to_numpy(dtype=float, na_value=np.nan)).any()]
    return [name for name in metrics if name in found] + [name for name in found if name not in metrics]


def described(name: str, metric: Metric | None, exploratory: bool) -> dict[str, Any]:
    """A metric for a reader."""
    label = phrases.label(name)
    return {
        "label": label,
        "unit": metric.unit if metric else "",
        "better": metric.goal if metric else None,
        "exploratory": exploratory,
    }


def dash_array(dashes: Any) -> str | None:
    """Matplotlib's dashes as SVG's, for lines 2 wide; None for a solid line."""
    return " ".join(f"{2 * length:g}" for length in dashes[1]) if isinstance(dashes, tuple) else None


def thinned(epochs: pd.DataFrame, points: int) -> tuple[pd.DataFrame, int]:
    """(rows of at most about `points` epochs with the last ones of each run, every how many epochs)."""
    xs = sorted(epochs[X].unique())
    every = max(math.ceil(len(xs) / max(points, 1)), 1)
    if every == 1:
        return epochs, 1
    last = epochs.index.isin(epochs.groupby("id", sort=False, observed=True).tail(1).index)
    return epochs[epochs[X].isin(xs[::every]) | last], every


def values(column: pd.Series) -> list[float | None]:
    """Numbers of 5 significant digits, with all digits before the point; None where there is no finite one."""
    return [shortened(value) if math.isfinite(value) else None for value in column.astype(float).tolist()]


def shortened(value: float) -> float:
    """The value in as few digits as show it truly."""
    return (
        round(value)
        if 10 ** (DIGITS - 1) <= abs(value) < ALL_DIGITS or value.is_integer() and abs(value) < ALL_DIGITS
        else float(f"{value:.{DIGITS}g}")
    )


def _runs(epochs: pd.DataFrame, names: Sequence[str], places: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for run_id, own in epochs.groupby("id", sort=False, observed=True):
        first = own.iloc[0]
        y = {name: values(own[name]) for name in names if own[name].notna().any()}
        identity = {
            "variant": places[first["variant"]],
            "seed": int(first["seed"]),
            "run": str(run_id),
            "state": str(first["state"]),
        }
        yield {**identity, "x": own[X].tolist(), "y": y}


def _means(
    epochs: pd.DataFrame, kept: pd.DataFrame, names: Sequence[str], places: Mapping[str, int], *, ranges: bool
) -> Iterator[dict[str, Any]]:
    """Of each variant with more than one run that neither failed nor diverged; `ranges`: of each, with lowest and highest."""
    whole = kept[~kept["state"].isin(BROKEN)]
    runs = whole.groupby("variant", observed=True)["id"].nunique()
    for variant, own in whole.groupby("variant", sort=False, observed=True):
        n = int(runs[variant])
        if n < 2 and not ranges:
            continue
        grouped = own.groupby(X)
        common = grouped["id"].nunique() == n
        xs = common.index[common]
        line: dict[str, Any] = {"variant": places[variant], "x": xs.tolist(), "n": n, "y": {}}
        line |= {"low": {}, "high": {}} if ranges else {}
        for name in names:
            if not own[name].notna().any():
                continue
            every = grouped[name].agg(["mean", "min", "max", "count"]).loc[xs]
            every = every.where(every["count"] == n)
            line["y"][name] = values(every["mean"])
            if ranges:
                line["low"][name], line["high"][name] = values(every["min"]), values(every["max"])
        yield line
