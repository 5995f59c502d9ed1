"""Ended runs -> pending ones, where a person asked for a retry."""

from __future__ import annotations

from collections.abc import Collection

from harness.execution import failures
from harness.experiment.plan import Plan
from harness.store.lease import Watch
from harness.store.records import Result, Store


def renew(
    store: Store, plan: Plan, watch: Watch, retry: Collection[str], before: str, *, only: frozenset[str] = frozenset()
) -> list[str]:
    """Set aside the endings in `retry` (`failed`, `diverged`) older than `before`; returns the ids of the runs to train again.

    Runs that failed from the machine's state (memory, disk, a kill) go on from their checkpoint, others start afresh.
    """
    asked = [run.id for run in plan.runs if not only or run.variant in only]
    return [run_id for run_id in asked if retry and renew_run(store, run_id, watch, retry, before)]


def renew_run(store: Store, run_id: str, watch: Watch, retry: Collection[str], before: str) -> bool:
    """`renew` of one run; whether it is to be trained again."""
    if not _to_retry(store.result(run_id), retry, before):
        return False
    lease = store.take(run_id, watch)
    if lease is None:
        return False
    with lease:
        result = store.result(run_id)  # another worker may have renewed it since we looked
        if result is None or not _to_retry(result, retry, before):
            return False
        store.archive_result(run_id, lease, keep_checkpoint=result.reason in failures.OF_THE_MACHINE)
    return True


def _to_retry(result: Result | None, retry: Collection[str], before: str) -> bool:
    return result is not None and result.state in retry and (result.ended or "") < before
