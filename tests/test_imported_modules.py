"""What commands import before they do their work: none of the named packages, and not many modules.

Importing is most of the time that a short command takes. Ceilings leave room for ten more modules of the harness and for other
versions of packages; a heavy library adds hundreds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NEVER = ("torch", "torchvision", "matplotlib", "seaborn", "wandb", "optuna", "jinja2", "pandas", "pyarrow")
STATISTICS = ("scipy.special", "scipy.optimize")
SCREENS = ("numpy", "rich")

# Lists in a file what is imported when the command starts a process whose words contain `until`, or ends; it ends there.
CODE = """
import os, sys

file, until, *words = sys.argv[1:]
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # with two processors `harness run` would start its worker at once

def end():
    with open(file, "w") as names:
        names.write(" ".join(sys.modules))
    os._exit(0)

def watch(event, arguments):
    if event == "subprocess.Popen" and until in " ".join(map(str, arguments[1])):
        end()

if until:
    sys.addaudithook(watch)
from harness.__main__ import main
main(words)
end()
"""
PROGRAM = """
question: Is b better?
task:
  command: python train.py --seed={seed} --x={x}
  knobs: {x: 1}
  metrics:
    acc: {pattern: "acc (?P<value>[0-9.]+)", goal: maximize}
variants: {a: {x: 1}, b: {x: 2}}
baseline: a
seeds: 3
margin: 0.1
claims: [{improves: b}]
"""
NETWORKS = """
question: Which width?
config: {data: {dataset: cifar10_mini}}
variants: {a: {model.widths: [8, 8, 8]}, b: {model.widths: [16, 16, 16]}}
baseline: a
seeds: {looks: [3, 5, 8, 12, 20]}
margin: 0.5
claims: [{improves: b}]
"""


def imported(folder: Path, *words: str, until: str = "", variables: Mapping[str, str] | None = None) -> set[str]:
    """The modules that the command has imported when it starts `until`, or at its end."""
    names = folder / "imported.txt"
    names.unlink(missing_ok=True)
    command = [sys.executable, "-c", CODE, str(names), until, *words]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, **(variables or {})}
    )
    assert names.exists(), ended.stderr
    return {*names.read_text().split()}


def check(modules: set[str], without: tuple[str, ...], most: int, most_of_harness: int) -> None:
    """Compare the modules with what the command may import."""
    assert not {*without} & modules
    assert len(modules) <= most
    assert sum(name.startswith("harness") for name in modules) <= most_of_harness


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with experiments, and the results of a command that was ended before it started its worker."""
    made = tmp_path_factory.mktemp("imports")
    (made / "program.yaml").write_text(PROGRAM)
    (made / "networks.yaml").write_text(NETWORKS)
    (made / "train.py").write_text("print('acc 0.5')\n")
    return made


def test_help_and_completion_import_no_command_s_modules(folder: Path) -> None:
    check(imported(folder, "--help"), (*NEVER, *STATISTICS, *SCREENS, "yaml", "regex"), 260, 20)
    for typed, place in (("harness ", 1), ("harness run ", 2)):
        asked = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(place)}
        check(imported(folder, variables=asked), (*NEVER, *STATISTICS, *SCREENS), 340, 30)


def test_list_imports_no_statistics(folder: Path) -> None:
    check(imported(folder, "list"), (*NEVER, *STATISTICS, "numpy"), 600, 210)


@pytest.mark.parametrize("name", ["program", "networks"])
def test_a_dry_run_imports_no_torch_and_no_data_frames(name: str, folder: Path) -> None:
    check(imported(folder, "run", f"{name}.yaml", "--dry-run"), (*NEVER, *STATISTICS, "harness.reporting.pages"), 800, 280)


def test_a_run_starts_its_program_before_it_imports_what_judges_and_reports(folder: Path) -> None:
    parent = imported(folder, "run", "program.yaml", "--track", "none", "--device", "cpu", until="harness.worker")
    check(parent, (*NEVER, *STATISTICS, "numpy", "harness.reporting.pages", "harness.search.worker"), 700, 270)
    check(imported(folder, "status"), (*NEVER, *STATISTICS, "numpy", "harness.reporting.pages"), 650, 250)
    worker = imported(folder, "worker", "results/plans/program.json", "--track", "none", until="guard.py")
    check(worker, (*NEVER, *STATISTICS, *SCREENS, "harness.search.worker", "harness.experiment.reader"), 600, 230)
