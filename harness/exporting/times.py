"""Rows of a run -> the time at which each was measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from harness.store.provenance import Provenance

SECONDS = "seconds"  # a number of rows: the time that the epoch took


def seconds_of(text: str | None) -> float | None:
    """ISO 8601 -> seconds since 1970; None if it is not known."""
    return None if not text else datetime.fromisoformat(text).timestamp()


def times_of(rows: Sequence[Mapping[str, float]], origin: Provenance | None, ended: str | None) -> list[float]:
    """Seconds since 1970 of each row, increasing.

    Rows have durations, not times: they are added to the start of the run, up to its end. Without durations the rows are spread
    evenly from start to end; without a start all have the time of the end, or 0.
    """
    start, end = seconds_of(origin.started if origin else None), seconds_of(ended or (origin.ended if origin else None))
    if start is None:
        return [end or 0.0] * len(rows)
    durations = [row.get(SECONDS) for row in rows]
    known = [duration for duration in durations if duration is not None and 0 <= duration < float("inf")]
    if len(known) < len(rows):
        known = [(end - start) / len(rows) if end is not None and end > start else 0.0] * len(rows)
    return [moment if end is None else min(moment, max(end, start)) for moment in list(accumulate(known, initial=start))[1:]]
