"""The runs of a W&B project as JSON lines, by wandb's own Api: `python -m harness.existing.wandb_project PATH SECONDS`.

It is a process of its own: at exit wandb waits for its requests, however long they take, so whoever reads the lines ends the
process after the last one. A line is a run (`state`, `name`, `row`), or at the end the `error`, null if all runs were read.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from harness.existing.table import flat
from harness.tracking.client import UnreachableError, time_limit, wandb_errors
from harness.tracking.page import REPORT_ID

PAGE = 100  # runs per request
TIMEOUT_S = 30  # of a request, as wandb counts it
CONFIG, SUMMARY = "config.", "summary."


def runs(path: str, limit_s: float) -> Iterator[dict[str, Any]]:
    """Each run of the project at `path` that is not a report's, oldest first. Raises UnreachableError.

    `limit_s` is the time limit of a request.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    with wandb_errors():
        import wandb

        with time_limit(limit_s):
            found = iter(wandb.Api(timeout=TIMEOUT_S).runs(path, per_page=PAGE, lazy=False))
        while True:
            with time_limit(limit_s):  # the next run, and with it perhaps the next page
                run = next(found, None)
            if run is None:
                return
            if not REPORT_ID.fullmatch(str(run.id)):
                yield {"state": str(run.state), "name": str(run.name), "row": _row(run)}


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


def main() -> None:
    """Print the lines."""
    path, limit_s = sys.argv[1:]
    error = None
    try:
        for run in runs(path, float(limit_s)):
            print(json.dumps(run))
    except UnreachableError as unreachable:
        error = str(unreachable)
    print(json.dumps({"error": error}), flush=True)


if __name__ == "__main__":
    main()
