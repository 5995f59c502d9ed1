"""The exit code of a command that trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import PlanMaker

from harness.launch.outcome import PlanOutcome, exit_code
from harness.store.records import Record


@pytest.mark.parametrize(
    ("workers", "left", "failed", "code"),
    [
        (0, False, False, 0),
        (75, False, False, 0),  # one was stopped, the others trained its runs
        (75, True, False, 75),
        (75, True, True, 75),
        (75, False, True, 1),
        (1, True, True, 1),  # three failed alike, the rest was spared
        (0, True, False, 75),  # others train it
        (2, False, False, 2),
    ],
)
def test_the_exit_code_reports_the_state_of_the_work(workers: int, left: bool, failed: bool, code: int) -> None:
    assert exit_code(workers, left=left, failed=failed) == code


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        ("completed", "completed", []),
        ("completed", "diverged", ["1 run diverged; see: harness status toys --results folder"]),
        (
            "failed",
            "diverged",
            [
                "1 run failed, 1 run diverged; see: harness status toys --results folder",
                "after fixing the cause, run the same command with --retry failed",
            ],
        ),
    ],
)
def test_the_last_lines_say_which_runs_made_the_exit_code_1(
    toy_plan: PlanMaker, first: str, second: str, lines: list[str]
) -> None:
    plan = toy_plan(name="toys", seeds=2)
    records = {run.id: Record(run.id, "completed") for run in plan.runs}
    one, other = list(records)[:2]
    records |= {one: Record(one, first), other: Record(other, second)}
    assert PlanOutcome(1, (), None, plan, records).notes(Path("folder")) == lines
