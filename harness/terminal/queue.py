"""A cluster's tasks and the runs that they train, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import RenderableType

from harness.reporting.phrases import NOTHING
from harness.reporting.tables.model import Column
from harness.slurm.queue import WHY, Queue, Task
from harness.store.records import Record
from harness.terminal.tables import Line, TerminalTable, styled


def table(queue: Queue, records: Mapping[str, Record], labels: Mapping[str, str]) -> list[RenderableType]:
    """One row per task with its run, state and reason; then the command to stop them, or that none is left.

    `labels`: run id -> displayed name.
    """
    training = trained_by(records)
    rows = []
    for group in _grouped(queue.tasks):
        task = group[0]
        run = training.get(task.id)
        what = labels.get(run or "", NOTHING) if task.state == "RUNNING" else NOTHING
        what = "report" if task.job in queue.reports else what
        times = "" if not task.requeued else "requeued once" if task.requeued == 1 else f"requeued {task.requeued} times"
        cancelled = task.state == "CANCELLED"  # exit code and reason are irrelevant then
        code = f"exit code {task.exit_code}" if task.exit_code and not cancelled else ""
        names = task.id if len(group) == 1 else f"{task.id} to {group[-1].id.partition('_')[2]}"
        more = ", ".join(filter(None, [times, code, None if cancelled else task.reason]))
        rows.append([names, task.state.lower(), what, task.node or NOTHING, more])
    columns = [
        Column("task", holds="labels"),
        Column("state"),
        Column("trains", holds="labels"),
        Column("node"),
        Column("more", holds="remarks"),
    ]
    found: list[RenderableType] = [TerminalTable.of_rows(columns, rows, indent=0)] if rows else []
    reasons = dict.fromkeys(task.reason for task in queue.tasks if task.reason in WHY and task.state != "CANCELLED")
    found += [Line.of(f"{reason}: {WHY[reason]}") for reason in reasons if reason is not None]
    if queue.live:
        return [*found, styled(f"stop: scancel {' '.join(queue.live)}")]
    return [*found, Line.of(f"no jobs left in the queue; logs: {', '.join(queue.logs)}")]


def document(queue: Queue | None, records: Mapping[str, Record]) -> dict[str, Any] | None:
    """The JSON document, each task with the id of its run; None if nothing was submitted."""
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


def _grouped(tasks: Sequence[Task]) -> list[list[Task]]:
    """Adjacent tasks of an array in the same state, grouped: there may be hundreds."""
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
    """Id of a job or array task -> the run that it is training."""
    return {record.job.partition(",")[0]: record.id for record in records.values() if record.state == "running" and record.job}
