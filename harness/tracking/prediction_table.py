"""predictions.npz of a run -> the rows of a W&B table, the cases that most need a look on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.experiment.plan import Plan, task_of
from harness.store.cases import case_arrays
from harness.store.check.run import load_arrays
from harness.tasks.protocol import Examples, parse_config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_ROWS = 200_000  # of a table, W&B's own limit
MOST_IMAGES = 100  # of a table, one a row
PLACES = 4  # decimal places of a probability, more than its float16 has


@dataclass(frozen=True)
class PredictionTable:
    """Columns and rows. `images`: of the first rows, uint8 [height, width, 3]. `notes`: what is left out, as sentences."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    images: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()


def prediction_table(file: Path, run_id: str, plans: Sequence[Plan]) -> PredictionTable | str:
    """The table of a run's predictions, or in words why there is none. `plans`: one of them says which data the run had."""
    try:
        arrays = load_arrays(file)
    except Exception as error:  # readers raise many types
        return f"no table of predictions: {file} cannot be read ({error})"
    if _are_probabilities(arrays):
        return _classified(arrays["probabilities"], arrays["labels"], run_id, plans)
    found = case_arrays(arrays)
    if isinstance(found, str):
        return f"no table of predictions: {file.name} has neither probabilities and labels nor cases ({found})"
    named = {"case": found.ids, **({} if found.groups is None else {"group": found.groups}), **found.values}
    columns = [column[:MOST_ROWS].tolist() for column in named.values()]
    return PredictionTable(tuple(named), tuple(zip(*columns, strict=True)), notes=_cut(len(found.ids)))


def _are_probabilities(arrays: Mapping[str, Any]) -> bool:
    if not {"probabilities", "labels"} <= arrays.keys():
        return False
    probabilities, labels = arrays["probabilities"], arrays["labels"]
    shaped = (
        probabilities.ndim == 2
        and labels.shape == probabilities.shape[:1]
        and labels.dtype.kind in "iu"
        and probabilities.dtype.kind in "fiu"
    )
    return bool(shaped and labels.size and labels.min() >= 0 and labels.max() < probabilities.shape[1])


def _classified(probabilities: NDArray[Any], labels: NDArray[Any], run_id: str, plans: Sequence[Plan]) -> PredictionTable:
    """A row a case, by increasing probability of its class: the most confident mistakes first."""
    import numpy as np

    values = np.nan_to_num(probabilities.astype(float), nan=0.0)
    cases = np.arange(len(labels))
    own, predicted = values[cases, labels], values.argmax(axis=1)
    correct = (predicted == labels) & np.isfinite(probabilities).all(axis=1)
    order = np.lexsort((cases, own, correct))[:MOST_ROWS]
    shown, reason = _examples(run_id, plans, order[:MOST_IMAGES].tolist())
    classes = shown.classes if shown is not None else ()
    names = [str(classes[label]) if label < len(classes) else str(label) for label in range(values.shape[1])]
    rows = [
        (
            int(case),
            names[labels[case]],
            names[predicted[case]],
            bool(correct[case]),
            *_rounded(values[case, predicted[case]], own[case]),
        )
        for case in order
    ]
    images = () if shown is None or shown.images is None else tuple(shown.images)
    columns = ("case", "class", "predicted", "correct", "confidence", "probability of class")
    return PredictionTable(columns, tuple(rows), images, (*_cut(len(labels)), *reason))


def _examples(run_id: str, plans: Sequence[Plan], cases: Sequence[int]) -> tuple[Examples | None, tuple[str, ...]]:
    """What the task shows of the cases, and why it shows no images."""
    found = next(((plan, run.variant) for plan in plans for run in plan.runs if run.id == run_id), None)
    if found is None:
        return None, ()
    plan, variant = found
    try:
        task = task_of(plan)
        config = parse_config(task, plan.variants[variant])
        if task.fingerprint(config) != plan.data[variant]:
            return None, ("no images: the data has changed since the plan was made",)
        shown = task.examples(config, cases)
    except Exception as error:  # the data may be elsewhere, and a task's own code may raise anything
        return None, (f"no images: {error}",)
    if shown is not None and shown.images is None:
        return shown, ("no images: the data is not on this machine",)
    return shown, ()


def _rounded(*values: np.floating[Any]) -> tuple[float, ...]:
    return tuple(round(float(value), PLACES) for value in values)


def _cut(cases: int) -> tuple[str, ...]:
    return (f"the table of predictions has {MOST_ROWS:,d} of {cases:,d} cases",) if cases > MOST_ROWS else ()
