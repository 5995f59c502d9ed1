"""A task's name -> the task: one of those that are shipped, or one in a module of the user's own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from harness.errors import InputError
from harness.tasks.protocol import MEMBERS, Task, with_defaults

TASKS: Mapping[str, str] = {"cifar_resnet": "harness.tasks.cifar_resnet.task:CIFAR_RESNET"}


def module_folder(name: str, folder: Path) -> str | None:
    """`folder`, absolute, where the module of `package.module:Object` lies in it; else None."""
    module, colon, _ = name.partition(":")
    parts, here = module.split("."), folder.resolve()
    if not colon or parts[0] in ("", "harness"):
        return None
    path = here.joinpath(*parts)
    return str(here) if path.with_name(f"{path.name}.py").is_file() or (path / "__init__.py").is_file() else None


def find_task(name: str, folder: str | None = None) -> Task:
    """The task called `name`: a key of TASKS, or `package.module:Object` of a module that Python finds, in `folder` first.

    Raises InputError when there is no such task, naming the choices.
    """
    target = TASKS.get(name, name)
    module_name, _, attribute = target.partition(":")
    if not attribute:
        raise InputError(
            f"no task {name!r}; allowed: {', '.join(TASKS)}, package.module:Object, or a mapping with the command of a program"
        )
    folder = _kept(name, folder)
    if folder is not None and (folder, name) in _FOUND:
        return _FOUND[folder, name]
    try:
        task = getattr(_module(module_name, folder), attribute)
        task.Config()  # every field has a default
    except Exception as error:  # a module may raise anything while it is imported, a model while it is made
        raise InputError(f"task {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    lacking = [member for member in MEMBERS if not hasattr(task, member)]
    if lacking:
        raise InputError(f"task {name!r} is no task: it has no {', '.join(lacking)}")
    try:
        found: Task = with_defaults(task, Task)
    except TypeError as error:
        raise InputError(f"task {name!r} is no task: {error}; make it an object of a class of its own") from error
    if folder is not None:
        _FOUND[folder, name] = found
    return found


# Tasks of modules beside experiment files, by (folder, name); and these folders. Two of them may each have a module `task`.
_FOUND: dict[tuple[str, str], Task] = {}
_FOLDERS: list[str] = []


def _kept(name: str, folder: str | None) -> str | None:
    """Where the module that lies in `folder` is imported from: its copy, if one of the folders in $HARNESS_CODE has one."""
    kept = [place for place in os.environ.get("HARNESS_CODE", "").split(os.pathsep) if place]
    return next(filter(None, (module_folder(name, Path(place)) for place in kept)), folder) if folder is not None else None


def _module(name: str, folder: str | None) -> ModuleType:
    """The module called `name`; with `folder` the one that lies there, and what it imports is looked for there first."""
    if folder is None:
        return importlib.import_module(name)
    for other in {*_FOLDERS} - {folder}:
        for known, module in list(sys.modules.items()):
            lies_there = Path(getattr(module, "__file__", None) or "/").is_relative_to(other)
            if lies_there and module_folder(f"{known}:", Path(folder)) is not None:
                del sys.modules[known]
    _FOLDERS.append(folder)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)  # as Python does for a script
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    if not Path(module.__file__ or "/").is_relative_to(folder):
        raise ImportError(f"Python has another module of that name ({module.__file__}); rename the one in {folder}")
    return module
