"""Finds tasks by name: built-in tasks, and tasks in the user's modules."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from harness.common.near_names import meant, near
from harness.errors import InputError
from harness.tasks.protocol import REQUIRED_MEMBERS, Task, with_optional_members

TASKS: Mapping[str, str] = {"cifar_resnet": "harness.tasks.cifar_resnet.task:CIFAR_RESNET"}


def module_folder(name: str, folder: Path) -> str | None:
    """`folder` as an absolute path if it contains the module of `package.module:Object`; else None."""
    module, colon, _ = name.partition(":")
    parts, here = module.split("."), folder.resolve()
    if not colon or parts[0] in ("", "harness"):
        return None
    path = here.joinpath(*parts)
    return str(here) if path.with_name(f"{path.name}.py").is_file() or (path / "__init__.py").is_file() else None


def find_task(name: str, folder: str | None = None) -> Task:
    """The task `name`: a key of TASKS, or `package.module:Object`, searched in `folder` first.

    Raises InputError if there is no such task.
    """
    target = TASKS.get(name, name)
    module_name, _, attribute = target.partition(":")
    if not attribute:
        close = near(name, TASKS)
        advice = f"use {', '.join(TASKS)}, package.module:Object, or a mapping with the command of a program"
        raise InputError(f"unknown task {name!r}; {f'{meant(close)} Else ' if close else ''}{advice}")
    folder = _import_folder(name, folder)
    if folder is not None and (folder, name) in _LOADED:
        return _LOADED[folder, name]
    try:
        module = _module(module_name, folder)
        if not hasattr(module, attribute):
            tasks = [
                each
                for each, value in vars(module).items()
                if not isinstance(value, type) and all(hasattr(value, member) for member in REQUIRED_MEMBERS)
            ]
            close = near(attribute, tasks)
            raise AttributeError(f"{module_name} has no {attribute}{f'; {meant(close)}' if close else ''}")
        task = getattr(module, attribute)
        task.Config()  # every field has a default
    except Exception as error:  # imports and constructors may raise anything
        moved = isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("harness.")
        advice = "; import it from the package itself, such as: from harness import Metric, Task, Training" if moved else ""
        raise InputError(f"task {name!r} cannot be loaded: {type(error).__name__}: {error}{advice}") from error
    missing = [member for member in REQUIRED_MEMBERS if not hasattr(task, member)]
    if missing:
        raise InputError(f"invalid task {name!r}: missing {', '.join(missing)}")
    try:
        found: Task = with_optional_members(task, Task)
    except TypeError as error:
        raise InputError(f"invalid task {name!r}: {error}; make it an instance of your own class") from error
    if folder is not None:
        _LOADED[folder, name] = found
    return found


# Tasks of modules beside experiment files, by (folder, name); and their folders, which may contain modules of the same name.
_LOADED: dict[tuple[str, str], Task] = {}
_FOLDERS: list[str] = []


def _import_folder(name: str, folder: str | None) -> str | None:
    """The folder to import a module of `folder` from: a folder in $HARNESS_CODE that contains a copy, else `folder`."""
    copies = [place for place in os.environ.get("HARNESS_CODE", "").split(os.pathsep) if place]
    return next(filter(None, (module_folder(name, Path(place)) for place in copies)), folder) if folder is not None else None


def _module(name: str, folder: str | None) -> ModuleType:
    """The module `name`; with `folder` the one there, with that folder first on sys.path."""
    if folder is None:
        return importlib.import_module(name)
    for other in {*_FOLDERS} - {folder}:
        for loaded, module in list(sys.modules.items()):
            lies_there = Path(getattr(module, "__file__", None) or "/").is_relative_to(other)
            if lies_there and module_folder(f"{loaded}:", Path(folder)) is not None:
                del sys.modules[loaded]
    _FOLDERS.append(folder)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)  # as for a script
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    if not Path(module.__file__ or "/").is_relative_to(folder):
        raise ImportError(f"another module has this name ({module.__file__}); rename the one in {folder}")
    return module
