"""Make failed or diverged runs pending again for `--retry`."""

from __future__ import annotations

from collections.abc import Collection

from harness.execution import failures
from harness.experiment.plan import Plan
from harness.store.lease import Watch
from harness.store.records import Result, Store


def reset_runs(
    store: Store, plan: Plan, watch: Watch, retry: Collection[str], before: str, *, only: frozenset[str] = frozenset()
) -> list[str]:
    """Set aside results with a state in `retry` that are older than `before`; returns the ids of the runs to train again.

    Runs that failed because of the machine (memory, disk, a kill) resume from their checkpoint, others restart.
    """
    run_ids = [run.id for run in plan.runs if not only or run.variant in only]
    return [run_id for run_id in run_ids if retry and reset_run(store, run_id, watch, retry, before)]


def reset_run(store: Store, run_id: str, watch: Watch, retry: Collection[str], before: str) -> bool:
    """`reset_runs` for one run; returns whether it was reset."""
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
