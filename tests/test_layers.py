"""The code's layers: a module imports only those above it, torch stays in one folder, heavy libraries wait until they are used.

Imports are read from the source, those inside functions and under TYPE_CHECKING too. What is imported by a string
(`importlib.import_module`) is no import here: that is how the dict of tasks names a task without importing torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent.parent / "harness"

# A module may import those above it, and within its own folder what it likes, as long as there is no circle.
LAYERS = (
    "errors",  # what may go wrong
    "interpreter",  # a module -> the command that runs it
    "flags",  # the options that several commands have
    "flat",  # nested values -> dotted paths
    "summary",  # a run's rows -> what its result says of them all
    "stop",  # signals and clocks -> whether to stop
    "yamlfile",  # text -> values that remember where they stood
    "task",  # what the harness asks of anything that can be trained
    "tasks",  # a task's name -> the task
    "training",  # the task cifar_resnet: knows the protocol, and nothing of plans, stores or screens
    "validation",  # values + model -> values, or every problem
    "claims",  # what a person may claim
    "command",  # any program as a task
    "experiment",  # files -> an experiment
    "plan",  # an experiment -> its runs
    "replan",  # the plan on disk and the one asked for -> the one to go on with
    "store",  # plans and runs on disk
    "stages",  # a plan that chooses -> the plan that follows
    "framecache",  # runs' files -> tables, kept
    "frames",  # store -> tables
    "statistics",  # arrays -> estimates
    "verdicts",  # claims and tables -> verdicts
    "calibration",  # looks -> their levels, kept
    "power",  # a plan and earlier runs -> what it can find
    "progress",  # what trains next
    "seeding",  # whether the seed reaches a program
    "failures",  # exception -> reason
    "tracking",  # runs -> where else they are shown
    "process",  # threads and output of the process that trains
    "attempt",  # one run -> one ending
    "retry",  # ended runs -> pending ones
    "trainer",  # a run and its lease -> trained
    "search",  # a study -> trials trained, and the plans that confirm them
    "whole",  # a results folder -> what is wrong with it
    "images",  # predictions -> intervals for new images
    "planworker",  # one plan -> runs, one after the other
    "worker",  # the process that trains a plan or a search
    "launch",  # one plan -> several workers
    "repeat",  # one run -> the same run again, and how the two differ
    "slurm",  # a site, and what workers are given -> jobs of a cluster, and its queue
    "wording",  # values -> words
    "figures",  # tables -> figures
    "writeup",  # tables and figures -> a report
    "console",  # values -> a terminal
    "conduct",  # a plan -> trained in child workers, and shown
    "pursue",  # a search -> trained in child workers, shown and confirmed
    "assignment",  # an experiment -> what workers on other machines are given
    "closing",  # what came of it -> what a command shows at its end
    "standings",  # where plans and searches stand now
    "testing",  # what the author of a task checks
    "doctor",  # commands: parse, call, print
    "status",
    "report",
    "verify",
    "sync",
    "run",
    "sweep",
    "submit",
    "new",
    "__main__",  # the command that names the others
    "__init__",  # the public functions, from wherever they live
)
TORCH = ("torch", "torchvision")
HEAVY = (*TORCH, "pandas", "scipy", "matplotlib", "seaborn", "jinja2", "wandb", "wandb_workspaces", "optuna", "pyarrow")
# The name of the default task, which an experiment file may leave out.
NAME_THE_DEFAULT_TASK = {"tasks.py", "experiment/reader.py", "experiment/file.py", "experiment/schema.py"}
# What is ready on this machine is asked of the data too.
NAME_THE_DATA = {"doctor.py"}


def module_name(path: Path) -> str:
    """`harness.store.lease` for harness/store/lease.py, `harness.store` for its __init__.py."""
    parts = ["harness", *path.relative_to(HARNESS).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Mapping[str, Path] = {module_name(path): path for path in sorted(HARNESS.rglob("*.py"))}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that the code of `tree` imports, at whatever depth; of ours, the one that defines what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """The modules imported with this one: not in functions, not for type checkers alone."""
    for statement in tree.body:
        checking = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)
        if not checking and not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from imported(statement)


def layer(module: str) -> str:
    """The entry of LAYERS that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def test_every_module_has_a_layer_and_every_layer_a_module() -> None:
    assert {layer(module) for module in MODULES} == set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_those_above_it(module: str) -> None:
    # `import harness` alone runs no other module: its functions are found when they are asked for.
    ours = {name for name in imported(parsed(module)) if name.startswith("harness.")}
    allowed = LAYERS[: LAYERS.index(layer(module)) + 1]
    below = sorted(name for name in ours if layer(name) not in allowed)
    assert not below, f"{module} imports {', '.join(below)}, which stand below {layer(module)} in LAYERS"


def test_there_is_no_circle_of_imports() -> None:
    graph = {module: {name for name in imported(parsed(module)) if name in MODULES and name != "harness"} for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("harness.errors") < order.index("harness.run")


def test_nothing_imports_the_task_but_by_its_string() -> None:
    users = [
        module
        for module in MODULES
        if layer(module) != "training" and any(layer(name) == "training" for name in imported(parsed(module)) if name in MODULES)
    ]
    assert users == []


@pytest.mark.parametrize("module", MODULES)
def test_torch_is_imported_in_training_alone(module: str) -> None:
    found = {name.split(".")[0] for name in imported(parsed(module))} & set(TORCH)
    assert not found or layer(module) == "training"


@pytest.mark.parametrize("module", [module for module in MODULES if layer(module) not in ("figures", "statistics", "training")])
def test_heavy_libraries_are_imported_where_they_are_used(module: str) -> None:
    found = {name.split(".")[0] for name in imported_at_once(parsed(module))} & set(HEAVY)
    assert not found, f"{module} imports {', '.join(sorted(found))} with itself; import inside the function that needs it"


def test_planning_a_configuration_needs_no_torch() -> None:
    light = (
        "harness.tasks.cifar_resnet.task",
        "harness.tasks.cifar_resnet.config",
        "harness.tasks.cifar_resnet.data",
        "harness.tasks.cifar_resnet.schedule",
    )
    for module in light:
        at_once = set(imported_at_once(parsed(module)))
        assert not {name.split(".")[0] for name in at_once} & set(TORCH), module


def test_cifar_is_named_in_its_task_alone() -> None:
    for path in MODULES.values():
        where, text = path.relative_to(HARNESS).as_posix(), path.read_text()
        if where.startswith("training/"):
            continue
        assert "cifar_resnet" not in text or where in NAME_THE_DEFAULT_TASK, where
        others = re.findall(r"cifar\w*", text.replace("cifar_resnet", "").replace("CIFAR_RESNET", ""), re.IGNORECASE)
        assert not others or where in NAME_THE_DATA, f"{where} names {others[0]}"
