"""Job ids -> the state of each task, from squeue and, if accounting is enabled, sacct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.slurm.cluster import ClusterError, ask, available

TIMEOUT_S = 20.0  # it is only displayed
# Columns of `squeue -O` and their widths; squeue truncates longer values.
COLUMNS: Mapping[str, int] = {
    "JobArrayID": 40,
    "State": 24,
    "Reason": 80,
    "NodeList": 120,
    "RestartCnt": 12,
    "exit_code": 12,
}
GONE = ("TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED", "REVOKED")
ENDED = ("COMPLETED", "FAILED", "CANCELLED", *GONE)
CHECK_FOLDER = "check that it has the results folder at the same path"
FIX_SITE = "correct the site's file and submit again"
WHY: Mapping[str, str] = {
    "BeginTime": "was requeued, starts after a short delay",
    "JobArrayTaskLimit": "waits because of the throttle",
    "JobHeldUser": "held by you; start it with `scontrol release`",
    "JobHeldAdmin": "held by the cluster's administrators",
    "Dependency": "waits for the workers to finish",
    "DependencyNeverSatisfied": "will never start: cancel it",
    "Resources": "starts as soon as resources are free",
    "Priority": "waits for jobs with a higher priority",
    "PartitionConfig": f"requests more than the partition has; {FIX_SITE}",
    "BadConstraints": f"requests what no node has; {FIX_SITE}",
    "JobLaunchFailure": f"could not start on the node; {CHECK_FOLDER}",
    "RaisedSignal:53(Real-time_signal_19)": f"its log could not be written on the node; {CHECK_FOLDER}",
    "launch_failed_requeued_held": f"could not start on the node; {CHECK_FOLDER}, then `scontrol release`",
}


@dataclass(frozen=True)
class Task:
    """A job, or a task of an array, with an id such as `4711_2`."""

    id: str
    state: str  # as in SLURM: PENDING, RUNNING, COMPLETED, FAILED …
    reason: str | None = None  # pending, failed: as in SLURM
    node: str | None = None
    requeued: int = 0
    exit_code: int = 0

    @property
    def job(self) -> str:
        """The id of the job or the array."""
        return self.id.partition("_")[0]

    @property
    def ended(self) -> bool:
        """Whether it will not run any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class Queue:
    """The tasks of submissions, the ids of report jobs, and the folders of the logs."""

    tasks: tuple[Task, ...]
    reports: frozenset[str] = frozenset()
    logs: tuple[str, ...] = ()

    @property
    def live(self) -> list[str]:
        """Ids of the jobs that can still be cancelled, in order."""
        return list(dict.fromkeys(task.job for task in self.tasks if not task.ended))


def queued(jobs: Sequence[str]) -> list[Task]:
    """The tasks of `jobs` in squeue, which includes those that ended recently. Raises ClusterError."""
    if not jobs:
        return []
    columns = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
    arguments = ("squeue", "-h", "-r", "-t", "all", "-O", columns, "-j")
    answer = ask(*arguments, ",".join(jobs), timeout_s=TIMEOUT_S)
    if "Invalid job id" in answer.err:  # for a single expired job; of several, squeue lists those it has
        return []
    if answer.code != 0:
        raise ClusterError(
            f"{answer.err or f'squeue failed with exit code {answer.code}'}; check the cluster with `scontrol ping`"
        )
    return parse(answer.out)


def parse(text: str) -> list[Task]:
    """Output of squeue with COLUMNS -> tasks, sorted by id."""
    tasks = []
    for line in text.splitlines():
        cells, start = [], 0
        for width in COLUMNS.values():
            cells.append(line[start : start + width].strip())
            start += width
        job, state, reason, node, restarts, code = cells
        if not re.fullmatch(r"\d+(_\d+)?", job):
            continue  # a message of squeue
        word = None if reason in ("", "None", "(null)") else reason
        # As in wait(2): the exit code in the upper byte, a signal in the lower one.
        status = int(code) if code.isdigit() else 0
        tasks.append(Task(job, state, word, node or None, int(restarts or 0), status >> 8))
    return sorted(tasks, key=order)


def from_accounting(jobs: Sequence[str], known: Iterable[Task]) -> list[Task]:
    """Tasks of `jobs` that sacct has and `known` lacks; empty without accounting."""
    if not jobs or not available("sacct"):
        return []
    answer = ask("sacct", "-X", "-n", "-P", "-j", ",".join(jobs), "-o", "JobID,State,ExitCode,NodeList", timeout_s=TIMEOUT_S)
    if answer.code != 0:  # without slurmdbd; the results folder has what matters
        return []
    known_ids = {task.id for task in known}
    return [task for task in parse_accounts(answer.out) if task.id not in known_ids]


def parse_accounts(text: str) -> list[Task]:
    """Output of sacct -> tasks, sorted by id."""
    tasks = []
    for line in text.splitlines():
        job, state, code, node = [*line.split("|"), "", "", "", ""][:4]
        if re.fullmatch(r"\d+(_\d+)?", job) and state:
            word = state.split()[0]  # CANCELLED by 1000
            node = node if node and node != "None assigned" else ""
            ended = int(code.partition(":")[0]) if code[:1].isdigit() else 0
            tasks.append(Task(job, word, None, node or None, exit_code=ended))
    return sorted(tasks, key=order)


def order(task: Task) -> tuple[int, int]:
    """Sort key: job, then task."""
    return int(task.job), int(task.id.partition("_")[2] or -1)
