"""The rows of a run, and how it ended -> its result. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.execution.failures import Failure
from harness.execution.job import Job, LostStep
from harness.store.records import Result
from harness.store.run_summary import numbers, summary
from harness.tasks.results import taken

Rows = Sequence[Mapping[str, Any]]  # as metrics.jsonl has them


def completed(rows: Rows, job: Job) -> Result:
    """With the values that count of each metric."""
    facts = job.task.describe(job.config)
    epochs = taken(rows, job.task.metrics)
    values = {name: rows[epoch - 1][name] for name, epoch in epochs.items()}
    return Result.model_validate({"state": "completed", "taken": epochs, **_last(rows), **values, **facts, **_totals(rows, job)})


def diverged(rows: Rows, job: Job, why: str) -> Result:
    """A metric is not finite."""
    return Result.model_validate({"state": "diverged", "error": why, **_last(rows), **_totals(rows, job)})


def failed(rows: Rows, failure: Failure) -> Result:
    """Without metrics."""
    fields = {"reason": failure.reason, "error": failure.error, "traceback_digest": failure.digest}
    seconds = sum(numbers(rows, "seconds"))
    return Result.model_validate({"state": "failed", **fields, "epoch": len(rows), "train_seconds": seconds})


def without_step(rows: Rows, job: Job, lost: LostStep) -> Result:
    """A step that the run needs has failed or diverged, and so has the run."""
    state, why = lost.result.state, lost.result.error
    error = f"step {lost.name} (run {lost.run_id}) {state}: {why}"
    failure = Failure(lost.result.reason or "bug", error, lost.result.traceback_digest)
    result = diverged(rows, job, error) if state == "diverged" else failed(rows, failure)
    return Result.model_validate({**result.model_dump(by_alias=True), "failed_step": lost.run_id})


def _last(rows: Rows) -> dict[str, Any]:
    return {name: value for name, value in (rows[-1] if rows else {}).items() if name != "seconds"}


def _totals(rows: Rows, job: Job) -> Mapping[str, Any]:
    return summary(rows, next(iter(job.task.metrics), ""))
