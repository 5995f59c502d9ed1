"""Versions of a program's code in a plan: refs -> commits, and what is stored of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from harness.errors import InputError
from harness.tasks.command.code.changes import changes
from harness.tasks.command.code.describe import described
from harness.tasks.command.code.git import GitError
from harness.tasks.command.code.place import checkout_of, checkouts_folder
from harness.tasks.command.code.version import CODE, CodeVersion
from harness.tasks.command.inputs.files import is_left_out
from harness.tasks.command.inputs.found import YAML_BELOW
from harness.tasks.command.knobs import Knobs
from harness.tasks.command.task import CommandTask, version_of
from harness.tasks.protocol import Accelerator, Task

SHOWN = 5  # changed files in a message


@dataclass
class Versions:
    """The commits of one plan: each ref is resolved once, so that a branch that moves meanwhile has one meaning in it."""

    task: Task
    accelerator: Accelerator
    file: str  # of the experiment, for messages
    commits: dict[str, str] = field(default_factory=dict)  # ref -> commit, of those resolved so far

    @property
    def _own(self) -> CommandTask | None:
        """The task, if it has versions."""
        task = self.task
        return task if isinstance(task, CommandTask) and task.program.repository is not None else None

    def resolve(self, config: BaseModel) -> BaseModel:
        """`Task.resolve`. Raises InputError."""
        task = self._own
        if task is None:
            return self.task.resolve(config, self.accelerator)
        own = task.Config.model_validate(dict(config))
        ref = version_of(own)
        if ref in self.commits:
            return task.Config.model_validate({**dict(own), CODE: self.commits[ref]})
        try:
            found = task.resolve(own, self.accelerator)
        except InputError as error:
            raise InputError(f"{self.file}: code: {error}") from error
        self.commits[ref] = version_of(found)
        return found

    def of_plan(
        self, declared: Mapping[str, BaseModel], resolved: Mapping[str, BaseModel], baseline: str, seed: int
    ) -> dict[str, CodeVersion]:
        """The versions of the variants, empty if the task has none. `declared` and `resolved`: label -> configuration.

        Raises InputError if one cannot be trained.
        """
        task = self._own
        if task is None or task.program.repository is None:
            return {}
        own = {label: task.Config.model_validate(dict(config)) for label, config in resolved.items()}
        for config in {version_of(config): config for config in own.values()}.values():
            task.check_version(config, seed, self.accelerator)
        counts = _is_input(task, own)
        try:
            return {
                label: described(
                    Path(task.program.repository),
                    version_of(task.Config.model_validate(dict(declared[label]))),
                    version_of(config),
                    version_of(own[baseline]),
                    counts,
                )
                for label, config in own.items()
            }
        except GitError as error:
            raise InputError(f"{task.program.repository}: versions cannot be compared: {error}") from error


def same_code(repository: str, label: str, other: str, code: Mapping[str, CodeVersion]) -> str:
    """Why two variants of equal settings have nothing to compare."""
    one, two = code[other].commit, code[label].commit
    if one == two:
        return f"{label!r} has the same code as {other!r} (commit {one[:7]}): nothing to compare; remove or change one"
    said = f"{label!r} has the same code as {other!r} (commits {one[:7]}, {two[:7]}): nothing to compare"
    try:
        names = [change.path for change in changes(Path(repository), one, two, lambda _: False)]
    except GitError:
        names = []
    if not names:
        return f"{said}; remove or change one"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"{said}; they differ only in files that are not inputs of the command: {', '.join(names[:SHOWN])}{more}; "
        "if they matter, list them in inputs"
    )


def refuse_unknown_code(task: Task, config: BaseModel, seed: int, device: Accelerator) -> None:
    """Raises InputError if equal inputs do not mean equal code: no file of the version is an input, or other code would run."""
    assert isinstance(task, CommandTask)
    own = task.Config.model_validate(dict(config))
    task.check_version(own, seed, device)
    folder, checkouts = task.code_of(own), checkouts_folder()
    code = [one for one in task.counted([own]).found if one.by != "prepare"]
    if not any((folder / one.name).resolve().is_relative_to(checkouts) for one in code):
        raise InputError(
            "no file of the repository is known to be an input of the command, so its versions cannot be told apart; "
            "correct its paths, or list its code in inputs (--input), such as src"
        )


def _is_input(task: CommandTask, configs: Mapping[str, Knobs]) -> Callable[[str], bool]:
    """Whether a file of the repository is, or contains, an input of the command in any version; so does a submodule or a link."""
    names: set[str] = set()
    left_out: set[str] = set()
    for program, same in task.by_version(configs.values()):
        folder = Path(program.directory)
        top = checkout_of(folder) or folder
        left_out.update(program.left_out)
        for one in task.counted(same).found:
            path = os.path.normpath(folder / one.name)
            names |= {os.path.relpath(each, top) for each in (path, os.path.realpath(path))}
    containing = {str(above) for name in names for above in Path(name).parents}

    def counts(path: str) -> bool:
        above = (path, *map(str, Path(path).parents))
        if path in names or path in containing:
            return True
        if is_left_out(path, tuple(left_out)):
            return False
        return any(each in names for each in above) or (
            path.endswith(".yaml") and any(f"{each}{YAML_BELOW}" in names for each in above)
        )

    return counts
