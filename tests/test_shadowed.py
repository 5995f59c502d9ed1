"""Another package named harness: it is reported in one line before any of its code runs, and workers do not import it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness import doctor
from harness.common import python_command

ROOT = Path(harness.__file__).parent.parent
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`python -m ablation_harness --version` in an empty folder: exit code, stdout, stderr."""
    (tmp_path / "here").mkdir()

    def command(*path: Path, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
        words = [sys.executable, *options, "-m", "ablation_harness", "--version"]
        ended = subprocess.run(words, cwd=tmp_path / "here", env=environment, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    return command


def package(folder: Path) -> Path:
    """Another package named harness in `folder`, whose code must not run."""
    made = folder / "harness"
    made.mkdir(parents=True, exist_ok=True)
    (made / "__init__.py").write_text("raise SystemExit('the other package was imported')\n")
    return made


def test_without_another_package_the_command_runs(command: Command, tmp_path: Path) -> None:
    version = f"harness {importlib.metadata.version('ablation-harness')}\n"
    assert command(ROOT) == (0, version, "")
    (tmp_path / "elsewhere").mkdir()
    assert command(ROOT, tmp_path / "elsewhere") == (0, version, "")


def test_another_package_earlier_on_the_path_is_named(command: Command, tmp_path: Path) -> None:
    other = package(tmp_path / "other")
    remedy = "rename it, or start where it is not on Python's import path"
    assert command(tmp_path / "other", ROOT) == (2, "", f"another package named harness shadows this one: {other}; {remedy}\n")
    assert command(ROOT, tmp_path / "other")[0] == 0  # a later one does not matter


def test_a_module_in_the_current_folder_is_named(command: Command, tmp_path: Path) -> None:
    module = tmp_path / "here" / "harness.py"
    module.write_text("raise SystemExit('the other module was imported')\n")
    code, out, err = command(ROOT)
    assert (code, out) == (2, "")
    assert err.startswith(f"another package named harness shadows this one: {module}; ")
    assert command(ROOT, options=("-P",))[0] == 0


def test_an_installed_package_is_to_be_uninstalled(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "env" / "site-packages"
    other = package(folder)
    code, _, err = command(folder, ROOT)
    assert (code, err) == (2, f"another package named harness shadows this one: {other}; remove it: pip uninstall harness\n")


@pytest.mark.parametrize("first_line", ['__version__ = "0.1.0"\n', None], ids=["overwritten", "removed"])
def test_files_that_another_distribution_overwrote_or_removed_are_to_be_installed_again(
    first_line: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "site-packages"
    (folder / "harness").mkdir(parents=True)
    shutil.copyfile(ROOT / "ablation_harness.py", folder / "ablation_harness.py")
    (folder / "harness" / "errors.py").write_text("raise SystemExit('a module of a mixture was imported')\n")
    if first_line is not None:
        (folder / "harness" / "__init__.py").write_text(first_line)
    # Isolated from the project, which is where a removed file would be found.
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); import ablation_harness as a"]
    words[-1] += "; sys.exit(a.main())"
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"files of this package are missing or overwritten by another package named harness: {folder}/harness; "
    )
    assert "pip uninstall harness" in line


def test_a_worker_ignores_another_package_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert python_command.command("harness.worker") == [sys.executable, "-m", "harness.worker"]
    package(tmp_path)
    assert python_command.command("harness.worker") == [sys.executable, "-P", "-m", "harness.worker"]
    words = [*python_command.command("harness.worker"), "--help"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: harness worker")


def test_doctor_ignores_another_package_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package(tmp_path)
    monkeypatch.setattr(
        doctor, "PROBE", "import json, harness.doctor; print(json.dumps(dict(name='torch', state='ok', what='found')))"
    )
    found = {
        each.name: each.what for each in doctor.answered(tmp_path / "results", {**os.environ, "PYTHONPATH": str(ROOT)}, 60.0)
    }
    assert found["torch"] == "found"


def test_a_folder_without_code_that_hides_an_editable_install_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harness").mkdir()
    monkeypatch.setattr(harness, "__file__", None)
    assert python_command.interpreter() == [sys.executable, "-P"]
