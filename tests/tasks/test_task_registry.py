"""A task's name -> the task, and why it cannot be loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.tasks.registry import find_task


def test_a_task_that_imports_a_module_the_package_does_not_have_is_told_what_to_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "older_task.py").write_text("from harness.task import Metric\n\nTASK = None\n")
    with pytest.raises(InputError, match=r"No module named 'harness.task'; .* from harness import Metric, Task, Training"):
        find_task("older_task:TASK", str(tmp_path))
