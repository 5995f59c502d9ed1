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


def test_an_unknown_task_is_told_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown task 'cifar_resnt'; did you mean cifar_resnet\? Else use "):
        find_task("cifar_resnt")
    with pytest.raises(InputError, match=r"toy_task has no TOYS; did you mean TOY\?"):
        find_task("toy_task:TOYS")
