"""The exit code of a command that trains."""

from __future__ import annotations

import pytest

from harness.launch.outcome import exit_code


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
