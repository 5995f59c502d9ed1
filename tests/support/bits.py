"""The parts of runs that interruptions must not change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.store.records import Store, read_rows

TIMINGS = {
    "seconds",
    "train_seconds",
    "samples_per_second",
    "peak_memory_bytes",
    "ended",
    "checksums",
    "provenance_digest",
    "seal",
}


def bits(store: Store, run_ids: Sequence[str]) -> dict[str, Any]:
    """Rows, result and predictions of each run, without timings."""
    found = {}
    for run_id in run_ids:
        paths = store.paths.run(run_id)
        rows = [untimed(row) for row in read_rows(paths.metrics)]
        with np.load(paths.predictions) as arrays:  # not the file's bytes: Python versions write zip headers differently
            predictions = {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}
        found[run_id] = (rows, untimed(json.loads(paths.result.read_text())), predictions)
    return found


def untimed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in TIMINGS}
