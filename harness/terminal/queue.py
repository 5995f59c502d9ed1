"""The tasks in the queue of a cluster and the runs that they train, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import RenderableType

from harness.reporting.phrases import NOTHING
from harness.reporting.tables.model import Column
from harness.slurm.queue import WHY, Queue, Task
from harness.store.records import Record
from harness.terminal.tables import TerminalTable, printable, styled


def table(queue: Queue, records: Mapping[str, Record], labels: Mapping[str, str]) -> list[RenderableType]:
    """A cluster's tasks: each with the run it trains, why it waits, how it ended; then how to stop them, or that none is left.

    `labels`: what runs are called, by id.
    """
    training = trained_by(records)
    rows = []
    for alike in _alike(queue.tasks):
        task = alike[0]
        run = training.get(task.id)
        what = labels.get(run or "", NOTHING) if task.state == "RUNNING" else NOTHING
        what = "report" if task.job in queue.reports else what
        times = "" if not task.requeued else "requeued once" if task.requeued == 1 else f"requeued {task.requeued} times"
        cancelled = task.state == "CANCELLED"  # how it left, and what it waited for before, is of no interest any more
        code = f"exit code {task.exit_code}" if task.exit_code and not cancelled else ""
        names = task.id if len(alike) == 1 else f"{task.id} to {alike[-1].id.partition('_')[2]}"
        more = ", ".join(filter(None, [times, code, None if cancelled else task.reason]))
        rows.append([names, task.state.lower(), what, task.node or NOTHING, more])
    columns = [Column("task"), Column("state"), Column("trains", holds="labels"), Column("node"), Column("more", holds="remarks")]
    found: list[RenderableType] = [TerminalTable.of_rows(columns, rows, indent=0)] if rows else []
    reasons = dict.fromkeys(task.reason for task in queue.tasks if task.reason in WHY and task.state != "CANCELLED")
    found += [styled(f"{reason}: {WHY[reason]}") for reason in reasons if reason is not None]
    if queue.live:
        return [*found, styled(f"stop: scancel {' '.join(queue.live)}")]
    return [*found, styled(printable(f"the queue has nothing of it any more; logs: {', '.join(queue.logs)}"))]


def document(queue: Queue | None, records: Mapping[str, Record]) -> dict[str, Any] | None:
    """The same as JSON, each task with the id of the run it trains; null where nothing was submitted."""
    if queue is None:
        return None
    training = trained_by(records)
    tasks = [
        {
            **asdict(task),
            "run": training.get(task.id) if task.state == "RUNNING" else None,
            "report": task.job in queue.reports,
        }
        for task in queue.tasks
    ]
    return {"tasks": tasks, "live": queue.live, "logs": list(queue.logs)}


def _alike(tasks: Sequence[Task]) -> list[list[Task]]:
    """Neighbouring tasks of an array that wait or have ended in the same way, together: there may be hundreds."""
    found: list[list[Task]] = []
    for task in tasks:
        before = found[-1][-1] if found else None
        same = before is not None and task.state != "RUNNING" and replace(before, id=task.id) == task and before.job == task.job
        if same:
            found[-1].append(task)
        else:
            found.append([task])
    return found


def trained_by(records: Mapping[str, Record]) -> dict[str, str]:
    """A cluster's job or array task -> the run that it trains now."""
    return {record.job.partition(",")[0]: record.id for record in records.values() if record.state == "running" and record.job}
