"""Make failed or diverged runs pending again for `--retry`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.execution import failures
from harness.execution.recording import record_set_aside
from harness.experiment.plan import Plan
from harness.store.lease import Watch
from harness.store.records import Result, Store


def reset_runs(
    store: Store, plan: Plan, watch: Watch, retry: Collection[str], before: str, *, only: frozenset[str] | None = None
) -> list[str]:
    """Set aside results with a state in `retry` that are older than `before`; returns the ids of the runs to train again.

    Runs that failed because of the machine (memory, disk, a kill) resume from their checkpoint, others restart. A step that a run
    failed with is reset, too.
    """
    run_ids = to_retry(store, (run.id for run in plan.runs if only is None or run.variant in only), retry, before)
    record_set_aside(store, run_ids)
    return [run_id for run_id in run_ids if reset_run(store, run_id, watch, retry, before)]


def to_retry(store: Store, run_ids: Iterable[str], retry: Collection[str], before: str) -> list[str]:
    """The runs that `reset_run` would reset, before them the steps that they failed with."""
    if not retry:
        return []
    results = {run_id: store.result(run_id) for run_id in store.begun(run_ids)}
    runs = [run_id for run_id, result in results.items() if _to_retry(result, retry, before)]
    steps = dict.fromkeys(result.failed_step for run_id in runs if (result := results[run_id]) and result.failed_step)
    return [*(step for step in steps if step and _to_retry(store.result(step), retry, before)), *runs]


def reset_run(store: Store, run_id: str, watch: Watch, retry: Collection[str], before: str) -> bool:
    """Set aside the result of one run, which the ledger knows of already; returns whether it was reset."""
    if not _to_retry(store.result(run_id), retry, before):
        return False
    lease = store.take(run_id, watch)
    if lease is None:
        return False
    with lease:
        result = store.result(run_id)  # another worker may have reset it meanwhile
        if result is None or not _to_retry(result, retry, before):
            return False
        store.archive_result(run_id, lease, keep_checkpoint=result.reason in failures.MACHINE_REASONS)
    return True


def _to_retry(result: Result | None, retry: Collection[str], before: str) -> bool:
    return result is not None and result.state in retry and (result.ended or "") < before
