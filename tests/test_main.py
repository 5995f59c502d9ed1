"""The `harness` command: it lists its commands, runs them, and stays light until one is called."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import COMMANDS, main
from harness.terminal import command_line

HEAVY = {"torch", "pandas", "numpy", "matplotlib", "seaborn", "scipy", "wandb", "optuna", "jinja2"}


def test_help_lists_every_command_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "Example: harness run" in shown
    assert main(["-h"]) == 0
    assert capsys.readouterr().out == shown


def test_without_a_command_the_help_is_shown_as_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: harness ")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"harness {importlib.metadata.version('ablation-harness')}\n"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("rnu", "invalid command 'rnu'; did you mean run?"),
        ("zzz", "choose from: run, register, sweep,"),
        ("--vresion", "did you mean --version?"),
    ],
)
def test_a_mistyped_command_or_option_is_bad_usage_with_a_suggestion(
    word: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_command_gets_the_rest_and_gives_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--results", str(tmp_path / "nowhere")]) == 2
    assert "no such results folder" in capsys.readouterr().err
    assert main(["status", "--nonsense"]) == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_80_columns_and_names_choices(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "-h"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: harness {name} [OPTIONS]")
    assert max(map(len, shown.splitlines())) <= 80
    assert f"\nExamples:\n  harness {name}" in shown
    assert "\nExit codes:\n" in shown
    for parameter in command_line.command(getattr(importlib.import_module(f"harness.{name}"), name)).params:
        if choices := parameter.type_descriptor.choices:
            assert parameter.metavar == "|".join(choices)


@pytest.mark.parametrize("words", [["harness", "--help"], *(["harness", name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_imports_no_heavy_library_and_no_other_command(words: list[str]) -> None:
    code = f"import json, sys; from harness.__main__ import main; print(json.dumps([main({words[1:]}), sorted(sys.modules)]))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert exit_code == 0
    assert not HEAVY & set(modules)
    assert {f"harness.{name}" for name in COMMANDS} & set(modules) == {f"harness.{name}" for name in words[1:-1]}


@pytest.mark.parametrize("name", COMMANDS)
def test_modules_are_commands_too(name: str) -> None:
    module = subprocess.run([sys.executable, "-m", f"harness.{name}", "--help"], capture_output=True, text=True, check=True)
    assert module.stdout.startswith(f"Usage: harness {name} [OPTIONS]")
    refused = subprocess.run([sys.executable, "-m", f"harness.{name}", "--zzz"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr) == (2, f"no such option: --zzz; see: harness {name} --help\n")


def test_the_package_is_a_command_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "status", "--results", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    assert ended.returncode == 0
    assert "no plan" in ended.stderr
