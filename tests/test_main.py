"""The `harness` command: it lists its commands, runs them, and stays light until one is called."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import COMMANDS, main

HEAVY = ("torch", "pandas", "numpy", "matplotlib", "seaborn", "scipy", "wandb", "optuna", "jinja2")


def test_help_lists_every_command_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "Example: harness run" in shown


def test_every_listed_command_is_a_module() -> None:
    assert all(importlib.util.find_spec(f"harness.{name}") for name in COMMANDS)


def test_no_command_or_an_unknown_one_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["rnu"]) == 2
    assert "no command 'rnu'; allowed: run, sweep, submit, status" in capsys.readouterr().err


def test_a_command_gets_the_rest_and_gives_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--results", str(tmp_path / "nowhere")]) == 2
    assert "no such results folder" in capsys.readouterr().err
    assert main(["status", "--nonsense"]) == 2


@pytest.mark.parametrize("name", ["status", "report", "doctor", "verify"])
def test_help_shows_an_example_and_imports_nothing_heavy(name: str) -> None:
    code = f"import json, sys; from harness.{name} import main; print(json.dumps([main(['--help']), sorted(sys.modules)]))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, last = ended.stdout.splitlines()
    exit_code, modules = json.loads(last)
    assert exit_code == 0
    assert f"Example: harness {name}" in "\n".join(shown)
    assert not set(HEAVY) & set(modules)


def test_modules_are_commands_too(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "harness.status", "--results", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert "no plan" in ended.stderr
