"""Predictions of runs -> which test images each got right -> intervals for new seeds and new images.

The interval over seeds holds for this test set alone; beside it stands what can be said of other images. It takes the arrays
`probabilities` [image, class] and `labels` [image] of every pair's runs, and a metric that is the share of images got right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.experiment.plan import Plan
from harness.store.check.run import load_arrays
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.analysis.statistics import Crossed

Pair = tuple[str, str]  # a variant, and what it is compared with

LARGEST = 256 * 2**20  # bytes of predictions.npz that are read for a report: a thousand runs on ten thousand images
NAMED = 6  # ids of runs that are told of, where more lack something
NEAR = 0.5  # percentage points: rounded to float16, two classes may tie, but in few images


@dataclass(frozen=True)
class Images:
    """Intervals [percentage points] by pair; and why there are none of other pairs, in words, empty where nothing is missing."""

    intervals: Mapping[Pair, Crossed]
    missing: str = ""


@dataclass(frozen=True)
class _Answers:
    """A run's answers: the labels, as bytes, and [image] whether it got them right."""

    labels: bytes
    right: Any


def new_images(
    store: Store, plan: Plan, records: Mapping[str, Record], pairs: Iterable[Pair], *, metric: str, kind: Metric, seeds: int
) -> Images:
    """Intervals for new seeds and new images of `pairs`, over those of the first `seeds` seeds of which both runs completed.

    None with fewer than 2 such seeds, nor where predictions of any of them are missing, damaged, or not what `metric` (which is
    of the kind `kind`) was measured on.
    """
    if kind.unit != "%" or kind.cases is None:
        return Images({})
    completed = {(run.variant, run.seed): run.id for run in plan.runs if records[run.id].state == "completed"}
    shared: dict[Pair, list[Pair]] = {}  # the pairs' runs, seed by seed
    for variant, over in pairs:
        both = [seed for seed in range(plan.after(0), plan.after(seeds)) if {(variant, seed), (over, seed)} <= completed.keys()]
        if len(both) > 1:
            shared[variant, over] = [(completed[variant, seed], completed[over, seed]) for seed in both]
    needed = dict.fromkeys(run_id for ids in shared.values() for pair in ids for run_id in pair)
    files = {run_id: store.paths.run(run_id).predictions for run_id in needed}
    if (size := sum(file.stat().st_size for file in files.values() if file.is_file())) > LARGEST:
        return Images({}, f"predictions of {len(needed):,d} runs, {size / 2**20:,.0f} MiB, are more than a report reads")
    correct = {run_id: _correct(file, records[run_id].metrics.get(metric)) for run_id, file in files.items()}
    known = {run_id: answers for run_id, answers in correct.items() if answers is not None}
    why = ""
    if len(known) < len(correct):
        lacking = [run_id for run_id in correct if run_id not in known]
        more = f" and {len(lacking) - NAMED:,d} more" if len(lacking) > NAMED else ""
        why = f"predictions missing, damaged or of something else: {', '.join(lacking[:NAMED])}{more}"
    elif len({answers.labels for answers in known.values()}) > 1:
        why = "predictions of different images"
    intervals = {pair: found for pair, ids in shared.items() if (found := _crossed(ids, known)) is not None}
    return Images(intervals, why)


def _correct(file: Path, value: float | None) -> _Answers | None:
    """The answers that `file` holds; None where it does not tell, or tells of something else than `value` [%]."""
    try:
        arrays = load_arrays(file)
        found = arrays["probabilities"].argmax(axis=1) == arrays["labels"]
        share = 100.0 * float(found.mean())
    except Exception:  # whatever a reader raises on content it does not know; the caller says which runs, `harness verify` why
        return None
    return _Answers(arrays["labels"].tobytes(), found) if value is not None and abs(share - value) <= NEAR else None


def _crossed(ids: Iterable[Pair], known: Mapping[str, _Answers]) -> Crossed | None:
    """The interval over these pairs of runs; None where answers of one are not known, or they are of different images."""
    import numpy as np

    from harness.analysis.statistics import crossed

    flat = [run_id for pair in ids for run_id in pair]
    if not set(flat) <= known.keys() or len({known[run_id].labels for run_id in flat}) > 1:
        return None
    values = 100.0 * np.stack([known[run_id].right for run_id in flat])  # [2 seeds, image]: variant, other, variant, …
    return crossed(values[::2] - values[1::2])
