"""Python source -> what it says about other files: imports, Python files that it names, folders of Hydra's configurations."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.tasks.command.inputs.files import stamp_of
from harness.tasks.command.inputs.literal_paths import Scope

Import = tuple[int, tuple[str, ...]]  # dots in front, names
HYDRA = {"main": "config_path", "initialize": "config_path", "initialize_config_dir": "config_dir"}
HYDRA_MODULES = ("hydra", "hydra.experimental")
PACKAGE = "pkg://"  # of a folder in an installed package


@dataclass(frozen=True)
class HydraCall:
    """`hydra.main` and the like. `folder` is None if it is computed when the program runs or in a package (`why`)."""

    folder: Path | None
    config: str | None  # its config_name
    why: str = ""


@dataclass(frozen=True)
class Code:
    """What one file says. `files` are texts that may be paths, relative to the file or the working directory."""

    imports: tuple[Import, ...] = ()
    files: tuple[str, ...] = ()
    hydra: tuple[HydraCall, ...] = ()


def read_code(file: Path, directory: Path) -> Code:
    """What a Python file says; nothing if it is not valid Python. Cached as long as size and time stay the same."""
    stamp = stamp_of(file)
    return Code() if stamp is None else _read(*stamp, directory)


@lru_cache(maxsize=4096)
def _read(file: str, _size: int, _modified: int, directory: Path) -> Code:
    try:
        return code_of(Path(file).read_bytes(), Path(file), directory)
    except OSError:
        return Code()


def code_of(source: bytes | str, file: Path, directory: Path) -> Code:
    """What Python source says that stands in `file`, or is given by `python -c`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the program's code
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Code()
    nodes = list(ast.walk(tree))
    scope = Scope(file, directory, _assigned(tree))
    return Code(
        tuple(dict.fromkeys(_imports(nodes))),
        tuple(dict.fromkeys(_files(tree, nodes))),
        tuple(dict.fromkeys(_hydra(nodes, scope))),
    )


def _imports(nodes: list[ast.AST]) -> Iterator[Import]:
    """`from a import b` gives a.b, because b may be a module."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from ((0, tuple(alias.name.split("."))) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = tuple(module.split(".")) if module else ()
                yield from ((level, (*above, alias.name)) for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name))],
            ) if not name.startswith("."):
                yield 0, tuple(name.split("."))


def _files(tree: ast.Module, nodes: list[ast.AST]) -> Iterator[str]:
    """Strings such as in `exec(open("configurator.py").read())`, and the `_base_` of mmengine's configurations.

    Other strings are not looked at: what the program writes would become its input.
    """
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".py"):
            yield node.value
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="_base_")], value=value):
                constants = [each for each in ast.walk(value) if isinstance(each, ast.Constant)]
                yield from (each.value for each in constants if isinstance(each.value, str))


def _hydra(nodes: list[ast.AST], scope: Scope) -> Iterator[HydraCall]:
    modules: set[str] = set()
    functions: dict[str | None, str] = {}
    for node in nodes:
        match node:
            case ast.Import(names=names):
                modules |= {alias.asname or "hydra" for alias in names if alias.name.split(".")[0] == "hydra"}
            case ast.ImportFrom(module=module, names=names, level=0) if module in HYDRA_MODULES:
                functions |= {alias.asname or alias.name: alias.name for alias in names}
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if module in modules and name in HYDRA:
                yield _call(name, node, scope)
            case ast.Call(func=ast.Name(id=own)) if (name := functions.get(own, "")) in HYDRA:
                yield _call(name, node, scope)


def _call(function: str, node: ast.Call, scope: Scope) -> HydraCall:
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    places = dict(zip((HYDRA[function], "config_name"), node.args, strict=False))
    path = given.get(HYDRA[function], places.get(HYDRA[function]))
    named = given.get("config_name", places.get("config_name") if function == "main" else None)
    config = scope.path(named)
    if path is None or (isinstance(path, ast.Constant) and path.value is None):
        # Hydra 1.1 looks beside the script; without a name of a configuration there is none.
        return HydraCall(scope.file.parent if named is not None else None, config)
    text = scope.path(path)
    if text is None:
        return HydraCall(None, config, f"{HYDRA[function]} is computed")
    if text.startswith(PACKAGE):
        return HydraCall(None, config, f"{text} is in a package")
    base = scope.directory if function == "initialize_config_dir" else scope.file.parent
    return HydraCall(base / text, config)


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """The names that the module assigns exactly once at its top level, with their values."""
    found: dict[str, list[ast.expr]] = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}
