"""Job ids -> what the queue says of each of their tasks. squeue alone is asked; where accounting is kept, sacct knows more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.slurm.cluster import ClusterError, ask, available

TIMEOUT_S = 20.0  # for what is only to be shown
# Name of a column of `squeue -O`, and its width: cut off beyond it, so wide enough.
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
CHECK_FOLDER = "is the results folder there, at the same path?"
FIX_SITE = "mend the site's file and submit again"
WHY: Mapping[str, str] = {
    "BeginTime": "was requeued, and is held back for a moment",
    "JobArrayTaskLimit": "the throttle allows no more at once",
    "JobHeldUser": "held back by you; `scontrol release` lets it start",
    "JobHeldAdmin": "held back by the cluster's administrators",
    "Dependency": "waits for the workers to end",
    "DependencyNeverSatisfied": "will never start: cancel it",
    "Resources": "next, once resources are free",
    "Priority": "others are first",
    "PartitionConfig": f"asks for more than the partition has; {FIX_SITE}",
    "BadConstraints": f"asks for what no node has; {FIX_SITE}",
    "JobLaunchFailure": f"could not start on the node; {CHECK_FOLDER}",
    "RaisedSignal:53(Real-time_signal_19)": f"its log could not be written on the node; {CHECK_FOLDER}",
    "launch_failed_requeued_held": f"could not start on the node; {CHECK_FOLDER} `scontrol release` lets it try again",
}


@dataclass(frozen=True)
class Task:
    """A job, or a task of an array: its id as people write it (`4711_2`), and where it stands."""

    id: str
    state: str  # SLURM's word: PENDING, RUNNING, COMPLETED, FAILED …
    reason: str | None = None  # pending, failed: SLURM's word
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
    """The tasks of what was submitted, which of the jobs write reports, and the folders that have their logs."""

    tasks: tuple[Task, ...]
    reports: frozenset[str] = frozenset()
    logs: tuple[str, ...] = ()

    @property
    def live(self) -> list[str]:
        """The jobs that are still to be cancelled, the first one first."""
        return list(dict.fromkeys(task.job for task in self.tasks if not task.ended))


def queued(jobs: Sequence[str]) -> list[Task]:
    """Every task of `jobs` that SLURM still knows of: in the queue, or not long ended. Raises ClusterError."""
    if not jobs:
        return []
    columns = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
    arguments = ("squeue", "-h", "-r", "-t", "all", "-O", columns, "-j")
    answer = ask(*arguments, ",".join(jobs), timeout_s=TIMEOUT_S)
    if "Invalid job id" in answer.err:  # said of a single one that was forgotten; of several, those known are listed
        return []
    if answer.code != 0:
        raise ClusterError(
            f"{answer.err or f'squeue ended with code {answer.code}'}; `scontrol ping` tells whether the cluster is up"
        )
    return parse(answer.out)


def parse(text: str) -> list[Task]:
    """What squeue printed with COLUMNS, in the order of ids."""
    tasks = []
    for line in text.splitlines():
        cells, start = [], 0
        for width in COLUMNS.values():
            cells.append(line[start : start + width].strip())
            start += width
        job, state, reason, node, restarts, code = cells
        if not re.fullmatch(r"\d+(_\d+)?", job):
            continue  # a hint of squeue's, no job
        word = None if reason in ("", "None", "(null)") else reason
        # As wait(2) has it: the exit code in the upper byte, a signal in the lower one.
        status = int(code) if code.isdigit() else 0
        tasks.append(Task(job, state, word, node or None, int(restarts or 0), status >> 8))
    return sorted(tasks, key=order)


def from_accounting(jobs: Sequence[str], known: Iterable[Task]) -> list[Task]:
    """Tasks of `jobs` that the queue has forgotten and accounting remembers; none where none is kept."""
    if not jobs or not available("sacct"):
        return []
    answer = ask("sacct", "-X", "-n", "-P", "-j", ",".join(jobs), "-o", "JobID,State,ExitCode,NodeList", timeout_s=TIMEOUT_S)
    if answer.code != 0:  # without slurmdbd: the store tells all that matters
        return []
    there = {task.id for task in known}
    return [task for task in parse_accounts(answer.out) if task.id not in there]


def parse_accounts(text: str) -> list[Task]:
    """What sacct printed, in the order of ids."""
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
    """By job, then by task."""
    return int(task.job), int(task.id.partition("_")[2] or -1)
