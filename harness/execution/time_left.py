"""Plan, records and the latest rows of its running runs -> how long the rest takes, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from harness.experiment.plan import Plan, PlannedRun
from harness.experiment.resources import of_variant
from harness.store.records import Record

Records = Mapping[str, Record]
Rows = Mapping[str, Mapping[str, Any]]  # run id -> the newest row of its metrics

Source = Literal["finished", "running", "earlier"]


@dataclass(frozen=True)
class Basis:
    """What an estimate of time is made from: finished runs of the plan, the speed of running ones, or `earlier` results."""

    source: Source
    runs: int
    of: str = ""  # earlier: what these runs trained, in words


@dataclass(frozen=True)
class Earlier:
    """How long runs took in earlier results: seconds of a whole run by variant."""

    seconds: Mapping[str, float]
    basis: Basis


@dataclass(frozen=True)
class TimeLeft:
    """Times in seconds; `left` is of the clock, the others of devices. None: unknown.

    `left`: until the requested runs have finished; `spent`: trained so far; `to_come`: of all runs that may still follow.
    """

    left: float | None
    basis: Basis | None
    spent: float
    to_come: float | None


def time_left(  # noqa: PLR0917 - by name
    plan: Plan,
    records: Records,
    requested: Sequence[PlannedRun],
    possible: Sequence[PlannedRun],
    rows: Rows,
    lengths: Mapping[str, int | None],
    workers: int,
    *,
    earlier: Earlier | None = None,
    before_s: float = 0.0,
) -> TimeLeft:
    """`possible`: the runs up to the last look that may be requested; `lengths`: epochs by variant, None where unknown.

    `before_s`: of steps that must be trained first.
    """
    units = {label: float(length or 0) for label, length in lengths.items()}
    if not all(units.values()):
        units = dict.fromkeys(units, 1.0)
    expected, basis = _expected(plan, records, rows, units, lengths, earlier)
    devices = {label: _devices(plan, label) for label in plan.variants}
    spent = sum(devices[run.variant] * _trained(records[run.id], rows.get(run.id), lengths, expected, run) for run in plan.runs)
    if expected is None:
        return TimeLeft(None, None, spent, None)

    def rest(runs: Sequence[PlannedRun]) -> list[tuple[PlannedRun, float]]:
        waiting = [run for run in runs if not records[run.id].finished]
        return [(run, _rest(records[run.id], rows.get(run.id), lengths[run.variant], expected[run.variant])) for run in waiting]

    now = [seconds for _, seconds in rest(requested)]
    running = sum(records[run.id].state == "running" for run in requested)
    at_once = max(1, min(max(workers, running), len(now)))
    left = max([*now, (sum(now) + before_s) / at_once]) if now else None
    return TimeLeft(left, basis, spent, sum(devices[run.variant] * seconds for run, seconds in rest(possible)) + before_s)


def epoch_seconds(row: Mapping[str, Any] | None) -> float | None:
    """How long the epoch of this row took."""
    return _positive(row.get("seconds")) if row else None


def _positive(seconds: Any) -> float | None:
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < math.inf else None


def _expected(  # noqa: PLR0917
    plan: Plan,
    records: Records,
    rows: Rows,
    units: Mapping[str, float],
    lengths: Mapping[str, int | None],
    earlier: Earlier | None,
) -> tuple[Mapping[str, float] | None, Basis | None]:
    """Seconds of a whole run by variant: from finished runs, of the variant itself if there are any."""
    took: dict[str, list[float]] = {}
    for run in plan.runs:
        record = records[run.id]
        if record.state == "completed" and (seconds := _positive(record.seconds)) is not None:
            took.setdefault(run.variant, []).append(seconds)
    if took:
        rate = fmean(seconds / units[label] for label, every in took.items() for seconds in every)
        known = {label: fmean(every) for label, every in took.items()}
        return {label: known.get(label, rate * unit) for label, unit in units.items()}, Basis(
            "finished", sum(map(len, took.values()))
        )
    speeds = [
        seconds
        for run in plan.runs
        if run.id in rows and lengths[run.variant] and (seconds := epoch_seconds(rows[run.id])) is not None
    ]
    if speeds and all(lengths.values()):
        return {label: fmean(speeds) * unit for label, unit in units.items()}, Basis("running", len(speeds))
    if earlier is not None and set(plan.variants) <= set(earlier.seconds):
        return earlier.seconds, earlier.basis
    return None, None


def _rest(record: Record, row: Mapping[str, Any] | None, length: int | None, expected: float) -> float:
    """Seconds until the run has finished."""
    if not length:
        return expected
    epoch_s = epoch_seconds(row) if record.state == "running" else None
    return max(0, length - record.epoch) * (expected / length if epoch_s is None else epoch_s)


def _trained(
    record: Record,
    row: Mapping[str, Any] | None,
    lengths: Mapping[str, int | None],
    expected: Mapping[str, float] | None,
    run: PlannedRun,
) -> float:
    """Seconds that the run has trained."""
    if record.finished:
        return _positive(record.seconds) or 0.0
    epoch_s, length = epoch_seconds(row), lengths[run.variant]
    if epoch_s is None and expected is not None and length:
        epoch_s = expected[run.variant] / length
    return record.epoch * (epoch_s or 0.0)


def _devices(plan: Plan, label: str) -> int:
    """How many GPUs a run of the variant occupies; 1 on the CPU."""
    if plan.accelerator == "cpu":
        return 1
    own = of_variant(plan, label)
    return max(1, (1 if own.gpus is None else own.gpus) * (own.nodes or 1))
