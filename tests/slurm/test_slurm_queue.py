"""What squeue and sacct print, read; and sbatch's refusals with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.slurm import cluster, queue
from harness.slurm.cluster import Answer, ClusterError
from harness.slurm.queue import COLUMNS, Queue, Task


def printed(*rows: tuple[str, ...]) -> str:
    """As squeue prints it, padded to its columns."""
    return "\n".join("".join(cell.ljust(width) for cell, width in zip(row, COLUMNS.values(), strict=True)) for row in rows)


def stand_in(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_tasks_are_sorted_by_id() -> None:
    text = printed(
        ("4712", "PENDING", "Dependency", "", "0", "0"),
        ("4711_10", "PENDING", "Resources", "", "2", "0"),
        ("4711_9", "RUNNING", "None", "gpu07", "1", "0"),
        ("4711_1", "FAILED", "NonZeroExitCode", "gpu07", "0", "512"),
    )
    assert queue.parse(text) == [
        Task("4711_1", "FAILED", "NonZeroExitCode", "gpu07", 0, 2),
        Task("4711_9", "RUNNING", None, "gpu07", 1),
        Task("4711_10", "PENDING", "Resources", None, 2),
        Task("4712", "PENDING", "Dependency"),
    ]


def test_each_job_that_can_be_cancelled_is_listed_once() -> None:
    tasks = (Task("1_0", "COMPLETED"), Task("2_0", "RUNNING"), Task("2_1", "PENDING"), Task("3", "PENDING"))
    assert Queue(tasks).live == ["2", "3"]


def test_accounting_adds_the_tasks_that_left_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "4711_0|COMPLETED|0:0|gpu07\\n4711_1|CANCELLED by 1000|0:15|gpu08\\n4711_2|FAILED|2:0|None assigned\\n"
    stand_in(tmp_path, "sacct", f"printf '{lines}'", monkeypatch)
    assert queue.from_accounting(["4711"], [Task("4711_0", "COMPLETED")]) == [
        Task("4711_1", "CANCELLED", None, "gpu08"),
        Task("4711_2", "FAILED", None, None, exit_code=2),
    ]
    stand_in(tmp_path, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1", monkeypatch)
    assert queue.from_accounting(["4711"], []) == []


def test_an_expired_job_gives_no_tasks_and_an_unavailable_queue_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", monkeypatch)
    assert queue.queued(["4711"]) == []
    stand_in(tmp_path, "squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", monkeypatch)
    with pytest.raises(ClusterError, match="Unable to contact slurm controller; check the cluster with `scontrol ping`"):
        queue.queued(["4711"])


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("sbatch: error: invalid partition specified: nope", "set `partition` in the site's file"),
        ("Batch job submission failed: Invalid account or account/partition combination specified", "set `account`"),
        ("Batch job submission failed: Invalid qos specification", "set `qos`"),
        ("Batch job submission failed: Invalid job array specification", "use fewer --workers"),
        ("Batch job submission failed: Job violates accounting/QOS policy (QOSMaxSubmitJobPerUserLimit)", "use fewer --workers"),
        (
            "Batch job submission failed: Requested node configuration is not available",
            "no node of the partition has these resources",
        ),
        ("sbatch: error: Memory specification can not be satisfied", "no node of the partition has these resources"),
        ("Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)", "set `time`"),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", "`scontrol ping`"),
        ("sbatch: unrecognized option '--no-such'", "check the options after --"),
    ],
)
def test_a_refusal_contains_the_message_and_what_to_do(words: str, advice: str) -> None:
    said = cluster.refusal(Answer(1, "", words))
    assert said.startswith(words)
    assert advice in said.splitlines()[-1]


def test_an_unknown_refusal_is_shown_without_advice() -> None:
    assert cluster.refusal(Answer(1, "", "sbatch: error: the moon is full")) == "sbatch: error: the moon is full"
    assert cluster.refusal(Answer(9, "", "")) == "sbatch failed with exit code 9 without a message"


def test_the_variables_of_a_surrounding_job_are_not_passed_on() -> None:
    given = {"SLURM_MEM_PER_CPU": "1", "SLURM_JOB_ID": "7", "SLURM_CONF": "/x", "HOME": "/me", "SBATCH_ACCOUNT": "a"}
    assert cluster.environment_outside_job(given) == {"SLURM_CONF": "/x", "HOME": "/me", "SBATCH_ACCOUNT": "a"}


def test_the_cluster_behind_an_id_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "sbatch", "echo '4711;greene'", monkeypatch)
    assert cluster.submit([], Path("x"), []) == "4711"
    stand_in(tmp_path, "sbatch", "echo 'Submitted'", monkeypatch)
    with pytest.raises(ClusterError, match="Submitted"):
        cluster.submit([], Path("x"), [])
