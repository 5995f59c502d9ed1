"""Plain values -> W&B's tables, images and charts. Used only in the mirror's and the sync process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.tracking.page import without_secrets
from harness.tracking.prediction_table import PredictionTable

# Vega-Lite. Each `${field:…}` is a column of the table that is shown, each `${string:…}` a text of it.
_ROW = {"field": "${field:variant}", "type": "nominal", "sort": None, "title": None}
DIFFERENCES: Mapping[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"name": "wandb"},
    "title": "${string:title}",
    "width": "container",
    "height": {"step": 28},
    "layer": [
        {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0}}},
        {
            "mark": {"type": "point", "filled": True, "opacity": 0.45, "size": 30},
            "encoding": {
                "y": _ROW,
                "x": {"field": "${field:difference}", "type": "quantitative", "title": "${string:axis}"},
                "tooltip": [{"field": f"${{field:{name}}}"} for name in ("variant", "baseline", "seed", "difference")],
            },
        },
        {
            "mark": {"type": "rule", "size": 2},
            "encoding": {"y": _ROW, "x": {"field": "${field:low}", "type": "quantitative"}, "x2": {"field": "${field:high}"}},
        },
        {
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 110, "opacity": 1},
            "encoding": {"y": _ROW, "x": {"field": "${field:mean}", "type": "quantitative"}},
        },
    ],
}
# The columns of that table, each also the name of its field in the chart.
DIFFERENCE_COLUMNS = ("variant", "baseline", "seed", "difference", "mean", "low", "high")


def table_of_predictions(found: PredictionTable) -> Any:
    """A wandb.Table of all rows, the first ones with their image."""
    import wandb

    columns: list[str | int] = [*found.columns]
    rows: list[Any] = [list(row) for row in without_secrets(found.rows)]
    if found.images:
        columns.insert(1, "image")
        pictures = [wandb.Image(image) for image in found.images]
        for place, row in enumerate(rows):
            row.insert(1, pictures[place] if place < len(pictures) else None)
    return wandb.Table(columns=columns, data=rows)


def figures(folder: Path) -> dict[str, Any]:
    """The figures of a report as images, by name."""
    import wandb

    return {f"figures/{file.stem}": wandb.Image(str(file)) for file in sorted(folder.glob("*.png"))}


def chart_of_differences(rows: Sequence[Sequence[Any]], title: str, axis: str, preset: str | None) -> dict[str, Any]:
    """The paired differences as a table, and as the chart `preset`; None: W&B's own bars of the means, without intervals."""
    import wandb

    table = wandb.Table(columns=list(DIFFERENCE_COLUMNS), data=list(without_secrets(rows)))
    if preset is None:
        means = list({row[0]: (row[0], row[4]) for row in rows}.values())
        bars = wandb.Table(columns=["variant", axis], data=[list(each) for each in means])
        return {"paired_differences": table, "mean_differences": wandb.plot.bar(bars, "variant", axis, title=title)}
    fields = {name: name for name in DIFFERENCE_COLUMNS}
    return {"paired_differences": wandb.plot_table(preset, table, fields, {"title": title, "axis": axis})}


def preset_of_differences(entity: str) -> str:
    """The id of the chart of differences of a W&B entity, which is created if there is none. Raises what wandb raises."""
    import wandb

    text = json.dumps(DIFFERENCES, sort_keys=True)
    name = f"ablation-harness-differences-{hashlib.sha256(text.encode()).hexdigest()[:8]}"  # a new one for a new content
    title = "Paired differences (ablation-harness)"
    try:
        return str(
            wandb.Api().create_custom_chart(
                entity=entity, name=name, display_name=title, spec_type="vega2", access="private", spec=text
            )
        )
    except Exception as error:  # wandb has no type of its own for it
        if "exists" in str(error):  # not "does not exist", which is about the entity
            return f"{entity}/{name}"
        raise
