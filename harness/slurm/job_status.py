"""The state in SLURM's queue of what was submitted for a plan or a search."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.slurm import cluster, queue, submission
from harness.slurm.queue import Queue
from harness.store.paths import Paths


def submitted(paths: Paths, name: str) -> tuple[Queue | None, list[HarnessError], str | None]:
    """The tasks of the submissions still in the queue, else of the last one; errors in their files; why the queue is unknown.

    None for the tasks: nothing was submitted, or there is no SLURM here.
    """
    submissions, damaged = submission.load_all(paths, name)
    errors: list[HarnessError] = [*damaged]
    chosen = [one for one in submissions if not one.cancelled]
    if not chosen or not cluster.available("squeue"):
        return None, errors, None
    try:
        tasks = queue.queued([job for one in chosen for job in one.all_jobs])
        waiting = {task.job for task in tasks if not task.ended}
        live = [one for one in chosen if waiting & set(one.all_jobs)]
        chosen = live or chosen[-1:]
        ours = {job for one in chosen for job in one.all_jobs}
        tasks = [task for task in tasks if task.job in ours]
        if not live:
            tasks = sorted([*tasks, *queue.from_accounting(sorted(ours), tasks)], key=queue.order)
    except cluster.ClusterError as error:  # the runs' states are known without it
        return None, errors, f"its jobs' state in the queue is unknown: {error}"
    reports = frozenset(one.report for one in chosen if one.report)
    return Queue(tuple(tasks), reports, tuple(str(one.folder(paths)) for one in chosen)), errors, None
