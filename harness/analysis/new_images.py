"""Stored predictions -> confidence intervals that generalise to new seeds and new test images.

An interval over seeds holds for this test set only. These intervals need the arrays `probabilities` [image, class] and `labels`
[image] of both runs of each pair, and a metric that is the percentage of correctly classified images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store import atomic, publication
from harness.store.check.run import load_arrays
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.analysis.statistics import Crossed

Pair = tuple[str, str]  # a variant and its reference

MAX_BYTES = 256 * 2**20  # of all predictions.npz read for a report: about a thousand runs on ten thousand images
MAX_NAMED = 6  # run ids listed in a message
TOLERANCE = 0.5  # percentage points: rounding to float16 makes classes tie on a few images


@dataclass(frozen=True)
class Images:
    """Intervals [percentage points] by pair; `missing` says why other pairs have none (empty if all have one)."""

    intervals: Mapping[Pair, Crossed]
    missing: str = ""
    altered: tuple[str, ...] = ()  # ids of runs whose predictions do not match the checksum in their result


@dataclass(frozen=True)
class _Correct:
    """The labels as bytes, and [image] whether the prediction of a run is correct."""

    labels: bytes
    right: Any


def new_images(
    store: Store, plan: Plan, records: Mapping[str, Record], pairs: Iterable[Pair], *, metric: str, kind: Metric, seeds: int
) -> Images:
    """Intervals for new seeds and images of `pairs`, over those of the first `seeds` seeds whose two runs completed.

    A pair has no interval with fewer than 2 such seeds, or if any predictions are missing, damaged or inconsistent with the
    recorded `metric` (described by `kind`).
    """
    if kind.unit != "%" or kind.cases is None:
        return Images({})
    completed = {(run.variant, run.seed): run.id for run in plan.runs if records[run.id].state == "completed"}
    shared: dict[Pair, list[Pair]] = {}  # the pairs' runs, seed by seed
    for variant, over in pairs:
        both = [seed for seed in plan.first_seeds(seeds) if {(variant, seed), (over, seed)} <= completed.keys()]
        if len(both) > 1:
            shared[variant, over] = [(completed[variant, seed], completed[over, seed]) for seed in both]
    needed = dict.fromkeys(run_id for ids in shared.values() for pair in ids for run_id in pair)
    files = {run_id: store.paths.run(run_id).predictions for run_id in needed}
    found_files = {run_id: atomic.status(file) for run_id, file in files.items()}
    sizes = {run_id: status.st_size for run_id, status in found_files.items() if status is not None}
    if (total := sum(sizes.values())) > MAX_BYTES:
        return Images(
            {},
            f"predictions of {len(needed):,d} runs, {total / 2**20:,.0f} MiB, exceed the limit of {MAX_BYTES / 2**20:,.0f} MiB",
        )
    altered = tuple(run_id for run_id in sizes if _altered(store, run_id, files[run_id]))
    correct = {
        run_id: _correct(file, records[run_id].metrics.get(metric)) if run_id in sizes else None for run_id, file in files.items()
    }
    known = {run_id: correct_images for run_id, correct_images in correct.items() if correct_images is not None}
    reason = ""
    if len(known) < len(correct):
        lacking = [run_id for run_id in correct if run_id not in known]
        more = f" and {len(lacking) - MAX_NAMED:,d} more" if len(lacking) > MAX_NAMED else ""
        reason = f"predictions are missing, damaged or inconsistent with the metric: {', '.join(lacking[:MAX_NAMED])}{more}"
        if all(_left_out(store, files[run_id]) for run_id in lacking):
            reason = f"the predictions of {len(lacking):,d} runs were left out when these results were published"
    elif len({correct_images.labels for correct_images in known.values()}) > 1:
        reason = "the predictions are for different images"
    intervals = {pair: found for pair, ids in shared.items() if (found := _crossed(ids, known)) is not None}
    return Images(intervals, reason, altered)


def _altered(store: Store, run_id: str, file: Path) -> bool:
    """Whether the predictions changed after the run had finished; a file that is unreadable is not compared."""
    try:
        result = store.result(run_id)
        expected = result.checksums.get(file.name) if result is not None else None
        return expected is not None and atomic.digest(file) != expected
    except StoreError:
        return False


def _left_out(store: Store, file: Path) -> bool:
    """Whether the predictions are missing on purpose."""
    try:
        return not atomic.exists(file) and publication.read(store.paths).lacks(file)
    except StoreError:
        return False


def _correct(file: Path, value: float | None) -> _Correct | None:
    """Which images are correct according to `file`; None if it is unreadable or disagrees with `value` [%]."""
    try:
        arrays = load_arrays(file)
        found = arrays["probabilities"].argmax(axis=1) == arrays["labels"]
        share = 100.0 * float(found.mean())
    except Exception:  # readers raise many types; `harness verify` shows the cause
        return None
    return _Correct(arrays["labels"].tobytes(), found) if value is not None and abs(share - value) <= TOLERANCE else None


def _crossed(ids: Iterable[Pair], known: Mapping[str, _Correct]) -> Crossed | None:
    """The interval over pairs of runs; None if predictions are missing or for different images."""
    import numpy as np

    from harness.analysis.statistics import crossed

    flat = [run_id for pair in ids for run_id in pair]
    if not set(flat) <= known.keys() or len({known[run_id].labels for run_id in flat}) > 1:
        return None
    values = 100.0 * np.stack([known[run_id].right for run_id in flat])  # [2 seeds, image]: variant, other, variant, …
    return crossed(values[::2] - values[1::2])
