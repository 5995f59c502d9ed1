"""The runs of a W&B project, requested in pages through wandb's own Api -> ResultsTable: a row per finished run."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

from harness.common.validation import show
from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.existing.table import columns_of, flat, nothing_left, results_table, seed_among, unfinished, varying
from harness.tracking.client import UnreachableError, time_limit, wandb_errors
from harness.tracking.login import home_folder, read_login

PAGE = 100  # runs per request
TIMEOUT_S = 30  # of a request, as wandb counts it
LIMIT_S = 40.0  # of a request in any case
FINISHED = "finished"
CONFIG, SUMMARY = "config.", "summary."
PROJECT = re.compile(r"(?:https?://[^/]+/)?([^/\s]+)/([^/\s]+?)(?:/(?:workspace|runs|table|overview).*)?/?(?:\?.*)?")


def read_wandb(name: str) -> ResultsTable:
    """`name` is ENTITY/PROJECT, or the project's address. Raises InputError."""
    found = PROJECT.fullmatch(name)
    if found is None:
        raise InputError(f"{show(name)} is not a W&B project; write ENTITY/PROJECT, as in its address")
    path = f"{found[1]}/{found[2]}"
    source = f"the W&B project {path}"
    login = read_login(os.environ, home_folder())
    if login.by is None:
        raise InputError(f"{source}: not logged in to {login.host}; run `wandb login`, or set WANDB_API_KEY")
    try:
        rows, left_out = _read_project(path)
    except UnreachableError as error:
        raise InputError(f"{source}: cannot be read from {login.host}: {error}") from error
    notes = unfinished(left_out)
    if not rows:
        raise nothing_left(source, notes)
    columns = columns_of(rows)
    seed = seed_among([*columns], CONFIG)
    metrics = tuple(name for name, column in columns.items() if name.startswith(SUMMARY) and column.values.dtype != object)
    return results_table(
        source,
        columns,
        lambda position: f"run {rows[position]['name']} ({rows[position]['id']})",
        notes,
        variants=varying(columns, CONFIG, seed),
        seed=seed,
        metrics=metrics,
    )


def _read_project(path: str) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The rows of the finished runs, oldest first, and the names of the others by state. Raises UnreachableError."""
    rows: list[dict[str, Any]] = []
    left_out: dict[str, list[str]] = {}
    os.environ.setdefault("WANDB_SILENT", "true")
    with wandb_errors():
        import wandb

        with time_limit(LIMIT_S):
            runs = iter(wandb.Api(timeout=TIMEOUT_S).runs(path, per_page=PAGE, lazy=False))
        while True:
            with time_limit(LIMIT_S):  # the next run, and with it perhaps the next page
                run = next(runs, None)
            if run is None:
                return rows, left_out
            if run.state == FINISHED:
                rows.append(_row(run))
            else:
                left_out.setdefault(str(run.state), []).append(str(run.name))


def _row(run: Any) -> dict[str, Any]:
    config = {name: value for name, value in run.config.items() if not name.startswith("_")}
    summary = {name: value for name, value in run.summary_metrics.items() if not name.startswith("_") and not _is_media(value)}
    return {
        "name": run.name,
        "id": run.id,
        "state": run.state,
        "group": run.group or None,
        **{f"{CONFIG}{name}": value for name, value in flat(config)},
        **{f"{SUMMARY}{name}": _number(value) for name, value in flat(summary)},
    }


def _is_media(value: Any) -> bool:
    """Tables, images and histograms, of which the summary has a description."""
    return isinstance(value, Mapping) and "_type" in value


def _number(value: Any) -> Any:
    """W&B's words for numbers that JSON does not have."""
    words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return words.get(value, value) if isinstance(value, str) else value
