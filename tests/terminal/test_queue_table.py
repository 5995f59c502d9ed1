"""The table of a cluster's tasks: their runs, the reasons to wait, the command to stop, and grouped tasks."""

from __future__ import annotations

import io

from rich.console import Console

from harness.slurm.queue import Queue, Task
from harness.store.records import Record
from harness.terminal import queue

ONE, TWO, THREE = (letter * 12 for letter in "abc")
TASKS = (
    Task("4711_0", "RUNNING", None, "gpu07", 1),
    Task("4711_1", "RUNNING", None, "gpu08"),
    *(Task(f"4711_{place}", "PENDING", "Resources") for place in range(2, 300)),
    Task("4712", "PENDING", "Dependency"),
)
RECORDS = {
    ONE: Record(ONE, "running", job="4711_0, requeued once"),
    TWO: Record(TWO, "running", job="4711_1"),
    THREE: Record(THREE, "interrupted", job="4711_2"),
}
LABELS = {ONE: "relu seed 0", TWO: "relu seed 1", THREE: "relu seed 2"}


def shown(tasks: tuple[Task, ...]) -> list[str]:
    out = io.StringIO()
    console = Console(width=100, file=out)
    for renderable in queue.table(Queue(tasks, frozenset({"4712"}), ("results/submissions/a/1",)), RECORDS, LABELS):
        console.print(renderable, soft_wrap=True)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_running_tasks_show_their_run_and_waiting_ones_are_grouped() -> None:
    assert shown(TASKS) == [
        "task            state     trains        node    more",
        "4711_0          running   relu seed 0   gpu07   requeued once",
        "4711_1          running   relu seed 1   gpu08",
        "4711_2 to 299   pending   ·             ·       Resources",
        "4712            pending   report        ·       Dependency",
        "Resources: starts as soon as resources are free",
        "Dependency: waits for the workers to finish",
        "stop: scancel 4711 4712",
    ]


def test_cancelled_tasks_show_no_reason() -> None:
    tasks = (Task("4711_0", "CANCELLED", node="gpu07", exit_code=75), Task("4712", "CANCELLED", "Dependency"))
    assert shown(tasks) == [
        "task     state       trains   node    more",
        "4711_0   cancelled   ·        gpu07",
        "4712     cancelled   report   ·",
        "no jobs left in the queue; logs: results/submissions/a/1",
    ]


def test_finished_tasks_show_their_state_and_logs() -> None:
    tasks = (
        Task("4711_0", "COMPLETED", node="gpu07", requeued=2),
        Task("4711_1", "FAILED", "NonZeroExitCode", "gpu08", exit_code=2),
    )
    assert shown(tasks)[1:] == [
        "4711_0   completed   ·        gpu07   requeued 2 times",
        "4711_1   failed      ·        gpu08   exit code 2, NonZeroExitCode",
        "no jobs left in the queue; logs: results/submissions/a/1",
    ]


def test_the_document_has_every_task_with_its_run_id() -> None:
    document = queue.document(Queue(TASKS, frozenset({"4712"})), RECORDS)
    assert document is not None
    assert [task["run"] for task in document["tasks"][:3]] == [ONE, TWO, None]
    assert [task["id"] for task in document["tasks"] if task["report"]] == ["4712"]
    assert document["live"] == ["4711", "4712"]
    assert queue.document(None, RECORDS) is None
