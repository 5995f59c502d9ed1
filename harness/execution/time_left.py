"""Plan, records and the latest rows of its running runs -> how long the rest takes, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Literal

from harness.experiment.plan import Plan, PlannedRun
from harness.experiment.resources import of_variant
from harness.store.records import Record

Records = Mapping[str, Record]
Rows = Mapping[str, Mapping[str, Any]]  # run id -> the newest row of its metrics

Source = Literal["finished", "running", "earlier"]


@dataclass(frozen=True)
class Basis:
    """What an estimate of time is made from: finished runs of the plan, the speed of running ones, or `earlier` results.

    `words`: which ones, of earlier results: `from 12 finished runs of leakyrelu_vs_relu`.
    """

    source: Source
    runs: int = 0
    words: str = ""


@dataclass(frozen=True)
class Earlier:
    """How long runs took in earlier results: the mean seconds of a run, and from what that is known, in words."""

    seconds: float
    words: str

    @property
    def basis(self) -> Basis:
        """Of an estimate that is made from it."""
        return Basis("earlier", words=self.words)


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
    runs = _Runs.of(plan, records, requested, possible)
    expected, basis = _expected(runs, rows, units, lengths, earlier)
    devices = {label: _devices(plan, label) for label in plan.variants}
    spent = sum(devices[label] * sum(took) for label, took in (*runs.completed.items(), *runs.lost.items()))
    for run, record in runs.begun:
        whole = None if expected is None else expected[run.variant]
        spent += devices[run.variant] * _trained(record, rows.get(run.id), lengths[run.variant], whole)
    if expected is None:
        return TimeLeft(None, None, spent, None)
    begun = {run.id: _rest(record, rows.get(run.id), lengths[run.variant], expected[run.variant]) for run, record in runs.begun}
    now = [begun[run.id] for run, _ in runs.begun if run.id in runs.requested]
    total = sum(now) + sum(expected[label] * number for label, number in runs.waiting.items())
    longest = max([*now, *(expected[label] for label in runs.waiting)], default=None)
    at_once = max(1, min(max(workers, runs.running), len(now) + runs.waiting.total()))
    to_come = sum(devices[label] * expected[label] * number for label, number in runs.ahead.items())
    to_come += sum(devices[run.variant] * begun[run.id] for run, _ in runs.begun if run.id in runs.possible)
    left = None if longest is None else max(longest, (total + before_s) / at_once)
    return TimeLeft(left, basis, spent, to_come + before_s)


@dataclass(frozen=True)
class _Runs:
    """The runs of a plan by state, in one pass."""

    completed: Mapping[str, Sequence[float]]  # label -> seconds of each
    lost: Mapping[str, Sequence[float]]
    begun: Sequence[tuple[PlannedRun, Record]]  # running or stopped
    running: int  # of the requested ones
    waiting: Counter[str]  # label -> requested runs that have not begun
    ahead: Counter[str]  # the same of those that may be requested
    requested: Set[str]  # ids
    possible: Set[str]

    @classmethod
    def of(cls, plan: Plan, records: Records, requested: Sequence[PlannedRun], possible: Sequence[PlannedRun]) -> _Runs:
        now, may = {run.id for run in requested}, {run.id for run in possible}
        completed: dict[str, list[float]] = {}
        lost: dict[str, list[float]] = {}
        begun, waiting, ahead = [], [], []
        for run in plan.runs:
            record = records[run.id]
            if record.state == "pending":
                if run.id in may:
                    ahead.append(run.variant)
                if run.id in now:
                    waiting.append(run.variant)
            elif not record.finished:
                begun.append((run, record))
            elif (seconds := _positive(record.seconds)) is not None:
                (completed if record.state == "completed" else lost).setdefault(run.variant, []).append(seconds)
        running = sum(record.state == "running" and run.id in now for run, record in begun)
        return cls(completed, lost, begun, running, Counter(waiting), Counter(ahead), now, may)


def epoch_seconds(row: Mapping[str, Any] | None) -> float | None:
    """How long the epoch of this row took."""
    return _positive(row.get("seconds")) if row else None


def epochs_left_s(epoch: int, length: int | None, rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds until the last of `length` epochs, at the median pace of the newest rows; None: unknown."""
    took = [seconds for row in rows if (seconds := epoch_seconds(row)) is not None]
    left = max(0, length - epoch) * median(took) if took and length is not None else math.inf
    return left if math.isfinite(left) else None


def _positive(seconds: Any) -> float | None:
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < math.inf else None


def _expected(
    runs: _Runs, rows: Rows, units: Mapping[str, float], lengths: Mapping[str, int | None], earlier: Earlier | None
) -> tuple[Mapping[str, float] | None, Basis | None]:
    """Seconds of a whole run by variant: from finished runs, of the variant itself if there are any."""
    took = runs.completed
    if took:
        number = sum(map(len, took.values()))
        rate = sum(sum(every) / units[label] for label, every in took.items()) / number
        known = {label: fmean(every) for label, every in took.items()}
        return {label: known.get(label, rate * unit) for label, unit in units.items()}, Basis("finished", number)
    speeds = [seconds for run, _ in runs.begun if (seconds := epoch_seconds(rows.get(run.id))) is not None]
    if speeds and all(lengths.values()):
        return {label: fmean(speeds) * unit for label, unit in units.items()}, Basis("running", len(speeds))
    return (None, None) if earlier is None else (dict.fromkeys(units, earlier.seconds), earlier.basis)


def _rest(record: Record, row: Mapping[str, Any] | None, length: int | None, expected: float) -> float:
    """Seconds until the run has finished."""
    if not length:
        return expected
    epoch_s = epoch_seconds(row) if record.state == "running" else None
    return max(0, length - record.epoch) * (expected / length if epoch_s is None else epoch_s)


def _trained(record: Record, row: Mapping[str, Any] | None, length: int | None, expected: float | None) -> float:
    """Seconds that a run has trained that has not finished."""
    epoch_s = epoch_seconds(row)
    if epoch_s is None and expected is not None and length:
        epoch_s = expected / length
    return record.epoch * (epoch_s or 0.0)


def _devices(plan: Plan, label: str) -> int:
    """How many GPUs a run of the variant occupies; 1 on the CPU."""
    if plan.accelerator == "cpu":
        return 1
    own = of_variant(plan, label)
    return max(1, (1 if own.gpus is None else own.gpus) * (own.nodes or 1))
