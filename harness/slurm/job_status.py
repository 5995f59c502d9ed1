"""What was submitted for a plan or a search -> what the cluster's queue says of it now."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.slurm import cluster, queue, submission
from harness.slurm.queue import Queue
from harness.store.paths import Paths


def submitted(paths: Paths, name: str) -> tuple[Queue | None, list[HarnessError], str | None]:
    """The tasks of what was submitted; what is wrong with files of it; and why the cluster does not tell, if it does not.

    No tasks, None: nothing was submitted, or there is no cluster to ask. Of several submissions those that are still in the
    queue are told of, else the last one.
    """
    submissions, damaged = submission.load_all(paths, name)
    errors: list[HarnessError] = [*damaged]
    told = [one for one in submissions if not one.cancelled]
    if not told or not cluster.available("squeue"):
        return None, errors, None
    try:
        tasks = queue.queued([job for one in told for job in one.all_jobs])
        waiting = {task.job for task in tasks if not task.ended}
        live = [one for one in told if waiting & set(one.all_jobs)]
        told = live or told[-1:]
        ours = {job for one in told for job in one.all_jobs}
        tasks = [task for task in tasks if task.job in ours]
        if not live:
            tasks = sorted([*tasks, *queue.from_accounting(sorted(ours), tasks)], key=queue.order)
    except cluster.ClusterError as error:  # where the runs stand is known without it
        return None, errors, f"what the cluster's queue holds of it is not known: {error}"
    reports = frozenset(one.report for one in told if one.report)
    return Queue(tuple(tasks), reports, tuple(str(one.folder(paths)) for one in told)), errors, None
