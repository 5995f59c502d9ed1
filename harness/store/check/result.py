"""Whether a result.json fits its own seal and the rows that it was computed from. Pure.

`harness verify` and reports use the same check: verify with the rows of the file, reports with the rows of the frame cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.store.records import Result, Value, decode
from harness.store.result_seal import seal
from harness.tasks.results import best_epoch

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What an epoch cost: differs between runs of the same bits; result.json sums it up over all epochs.
COSTS = frozenset({"seconds", "samples_per_second", "peak_memory_bytes"})
FLUCTUATION = "_fluctuation"
_TOTALS = frozenset({"train_seconds", "samples_per_second", "peak_memory_bytes"})


def altered(result: Result) -> str | None:
    """Why the content of result.json is not what was written, by its seal alone; None if it is, or if it is older than seals."""
    if result.seal is None:
        # Both fields were added at the same time.
        return "has lost its seal" if result.provenance_digest is not None else None
    return None if seal(result) == result.seal else "was altered after it was written: it does not match its own seal"


def contradictions(
    result: Result,
    rows: int,
    last: Mapping[str, Value],
    totals: Mapping[str, Any],
    chosen: Mapping[str, Value] | None = None,
) -> list[str]:
    """What result.json says instead of what its `rows` rows say; empty if they agree.

    `last`: the last row, non-finite numbers as strings; `totals`: `run_summary.summary` of all rows; `chosen`: the values at the
    epochs that `result.taken` names, if any.
    """
    fields = result.model_extra or {}
    if result.state == "failed":
        # A run may fail with fewer epochs than an earlier start had rows for.
        epoch = result.metrics.get("epoch", 0)
        wrong = [] if epoch <= rows else [f"epoch {epoch:g} instead of {rows}"]
        return [*wrong, *([] if result.reason else ["failed without a reason"])]
    expected = (
        {name: value for name, value in {**last, **(chosen or {})}.items() if name not in COSTS} if rows else {"epoch": None}
    )
    wrong = [f"{name} {fields.get(name)} instead of {value}" for name, value in expected.items() if fields.get(name) != value]
    measures = not rows or any(value is not None and name not in (*COSTS, "epoch", "step") for name, value in last.items())
    wrong += [] if fluctuating(result) or not measures else ["no fluctuation"]
    # The last bits of a sum may differ between versions of Python.
    wrong += [
        f"{name} {fields.get(name)} instead of {value}" for name, value in totals.items() if not _close(fields.get(name), value)
    ]
    if result.state == "completed" and (result.error or result.reason):
        wrong.append(f"completed with the error {result.error or result.reason!r}")
    own = result.state == "diverged" and result.failed_step is None
    if own and all(math.isfinite(value) for value in map(decode, last.values()) if _number(value)):
        wrong.append("diverged, but every value of the last epoch is finite")
    return wrong


def wrong_choices(result: Result, program: Mapping[str, Any] | None, values: Callable[[str], Sequence[Any]]) -> list[str]:
    """What is wrong with the epochs that a completed result takes its values from; `values`: a column of its rows.

    `program`: the definition in spec.json, which says what is taken; None: the task is in Python, and the epochs are believed.
    """
    if program is None or result.state != "completed":
        return []
    steps = program.get("steps", {}).values()
    metrics = {name: metric for part in (program, *steps) for name, metric in part.get("metrics", {}).items()}
    wrong = []
    for name, metric in metrics.items():
        by = metric.get("at_best", name if metric.get("take") == "best" else None)
        best = best_epoch(values(by), metrics[by]["goal"]) if by is not None else None
        if result.taken.get(name) != best:
            wrong.append(f"{name} of epoch {result.taken.get(name, 'last')} instead of {best or 'the last'}")
    return wrong


def facts(result: Result, last: Mapping[str, Value]) -> dict[str, Any]:
    """The fields that are from neither the last row nor the totals: what the task's `describe` says of a configuration."""
    return {
        name: value
        for name, value in (result.model_extra or {}).items()
        if value is not None and last.get(name) is None and name not in _TOTALS and not name.endswith(FLUCTUATION)
    }


def fluctuating(result: Result) -> str:
    """The metric whose fluctuation is in the result; empty if there is none."""
    names = result.model_extra or {}
    return next((name.removesuffix(FLUCTUATION) for name in names if name.endswith(FLUCTUATION)), "")


def totals_of(columns: Mapping[str, NDArray[Any]], rows: int, metric: str) -> dict[str, Any]:
    """`run_summary.summary` of columns [rows] of floats, NaN where not measured: in a hundredth of the time."""
    import numpy as np

    def column(name: str) -> NDArray[Any]:
        return columns[name] if name in columns else np.full(rows, np.nan)

    seconds, speeds, peaks = column("seconds"), column("samples_per_second"), column("peak_memory_bytes")
    timed = np.isfinite(speeds) & np.isfinite(seconds) & (seconds != 0)
    weight = float(seconds[timed].sum())
    peaks = peaks[np.isfinite(peaks)]
    with np.errstate(over="ignore", invalid="ignore"):
        changes = np.diff(column(metric)[-1 - rows // 4 :])
        changes = changes[np.isfinite(changes)]
        scale = float(np.abs(changes).max(initial=0.0)) or 1.0  # squares of the largest numbers would overflow
        deviation = scale * float((changes / scale).std(ddof=1)) if changes.size >= 2 else math.nan
    return {
        "train_seconds": float(seconds[np.isfinite(seconds)].sum()),
        "samples_per_second": float((speeds[timed] * seconds[timed]).sum()) / weight if weight else None,
        "peak_memory_bytes": float(peaks.max()) if peaks.size else None,
        **({f"{metric}{FLUCTUATION}": deviation if math.isfinite(deviation) else None} if metric else {}),
    }


def _number(value: Any) -> bool:
    return isinstance(decode(value), int | float)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)
