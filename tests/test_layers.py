"""The code's layers: a module imports only those above it, torch stays in one folder, heavy libraries wait until they are used.

Imports are read from the source, those inside functions and under TYPE_CHECKING too. What is imported by a string
(`importlib.import_module`) is not an import here: that is how the dict of tasks names a task without importing torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from harness.__main__ import COMMANDS

HARNESS = Path(__file__).parent.parent / "harness"

# A module may import from lower layers and from its own place, never from another place of its own line. The list is the picture in
# docs/design.md, which names the highest layer first.
DESIGN = (HARNESS.parent / "docs" / "design.md").read_text()
PICTURE = re.search(r"^## Layers\n\n```text\n(.*?)^```", DESIGN, re.MULTILINE | re.DOTALL)


def layers() -> tuple[tuple[str, ...], ...]:
    """The places of each layer of the picture, the lowest layer first. Its line `commands` stands for the commands' modules."""
    assert PICTURE is not None, "docs/design.md has no picture of the layers"
    lines = [line for line in PICTURE[1].splitlines() if re.match(r"\w", line)]
    places = [tuple(part.split()[0] for part in line.split("|")) for line in reversed(lines)]
    assert places[-1] == ("commands",)
    return (*places[:-1], tuple(COMMANDS), ("__main__", "__init__"))


LAYERS = layers()
TORCH = ("torch", "torchvision")
HEAVY = (*TORCH, "pandas", "scipy", "matplotlib", "seaborn", "jinja2", "wandb", "wandb_workspaces", "optuna", "pyarrow", "mlflow")
# The name of the default task, which an experiment file may leave out.
NAME_THE_DEFAULT_TASK = {"tasks/registry.py", "experiment/reader.py", "experiment/file.py", "experiment/schema.py"}
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


def place(module: str) -> str:
    """The folder or top-level module of harness/ that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def layer(module: str) -> int:
    """The line of LAYERS that a module's place stands on."""
    return next(number for number, places in enumerate(LAYERS) if place(module) in places)


def in_task(module: str) -> bool:
    """Whether a module belongs to the task cifar_resnet."""
    return module.startswith("harness.tasks.cifar_resnet")


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports, at whatever depth."""
    return frozenset(imported(parsed(module)))


def test_the_layers_list_exactly_the_modules() -> None:
    assert {place(module) for module in MODULES} == {name for places in LAYERS for name in places}


def test_a_module_imports_only_from_earlier_layers() -> None:
    wrong = {}
    for module in MODULES:
        # `import harness` alone runs no other module: its functions are found when they are asked for.
        ours = {name for name in imports(module) if name.startswith("harness.") and place(name) != place(module)}
        wrong[module] = sorted(name for name in ours if layer(name) >= layer(module))
    found = [f"{module} imports {', '.join(names)}" for module, names in wrong.items() if names]
    assert not found, "\n".join(["LAYERS lets a module import from lines before its own:", *found])


def test_imports_have_no_cycle() -> None:
    graph = {module: {name for name in imports(module) if name in MODULES and name != "harness"} for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("harness.errors") < order.index("harness.run")


def test_the_task_is_imported_only_by_its_name() -> None:
    users = [module for module in MODULES if not in_task(module) and any(in_task(name) for name in imports(module))]
    assert users == []


def test_only_the_task_imports_torch() -> None:
    users = [module for module in MODULES if {name.split(".")[0] for name in imports(module)} & set(TORCH)]
    assert [module for module in users if not in_task(module)] == []
    assert users


MAY_BE_HEAVY = ("harness.reporting.figures", "harness.analysis.statistics", "harness.tasks.cifar_resnet")


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = {}
    for module in MODULES:
        if not module.startswith(MAY_BE_HEAVY):
            wrong[module] = sorted({name.split(".")[0] for name in imported_at_once(parsed(module))} & set(HEAVY))
    found = [f"{module} imports {', '.join(names)}" for module, names in wrong.items() if names]
    assert not found, "\n".join(["import inside the function that needs it:", *found])


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


def test_only_its_task_mentions_cifar() -> None:
    for path in MODULES.values():
        where, text = path.relative_to(HARNESS).as_posix(), path.read_text()
        if where.startswith("tasks/cifar_resnet/"):
            continue
        text = text.replace("harness.tasks.cifar_resnet", "")  # a module's own name
        assert "cifar_resnet" not in text or where in NAME_THE_DEFAULT_TASK, where
        others = re.findall(r"cifar\w*", text.replace("cifar_resnet", "").replace("CIFAR_RESNET", ""), re.IGNORECASE)
        assert not others or where in NAME_THE_DATA, f"{where} names {others[0]}"
