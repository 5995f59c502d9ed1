"""Pydantic models of the `task:` mapping in experiment files and plans: the definition of a training program.

In plans the directory is absolute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from harness.common.choices import Style
from harness.common.durations import PositiveDuration, duration
from harness.tasks.command.cases import CaseFile, keys_of
from harness.tasks.command.measure import Measure, Strict, Text
from harness.tasks.resources import NOTHING, Resources

TASK_NAME = "command"  # of every program in plans and specs; versions distinguish programs
Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...] | None  # of a setting; None: Hydra's null


LEAVE_OUT = "!"  # before a pattern in inputs


class Knob(Strict):
    """One parameter of the program, in the long form; its type is that of the default."""

    default: Value = Field(description="its value where no variant sets it")
    least: float | None = Field(None, alias="from", description="the least value allowed")
    most: float | None = Field(None, alias="to", description="the largest value allowed")
    choice: tuple[Value, ...] | None = Field(None, min_length=1, description="the values allowed")
    flag: Text | None = Field(
        None,
        description="the option's spelling, default --name; for a boolean the flag for true, "
        "such as --compile, or --compile/--no-compile; in Hydra's style +name, to add a key",
    )

    @field_validator("default", "choice")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        if "\0" in _letters(value):
            raise ValueError("a NUL character cannot be part of an argument")
        return value


class Only(Strict):
    """Inputs that replace what the harness finds."""

    only: tuple[Text, ...] = Field(description="files and folders, relative to directory; files that settings name count, too")


class ProgramStep(Strict):
    """One command of a program of several: it runs in a folder of its own, and later steps read that as {steps.NAME}."""

    command: Text = Field(
        description="the command line; no shell reads it; {seed}, {run_dir}, {knobs}, {NAME} of a knob, "
        "{gpus}, {cpus}, {nodes}, {host}, {port}, {steps.NAME} of a step"
    )
    resume: Text | None = Field(
        None, description="arguments added if {run_dir} contains an earlier attempt; default: start from the beginning"
    )
    checkpoint: Text | None = Field(
        None, description="which file in {run_dir} resuming needs, such as '*.pt'; default: any file or folder"
    )
    metrics: dict[str, Measure] = Field({}, description="what it measures; the first of the last step is the default of claims")
    cases: CaseFile | None = Field(
        None, description="files with the outcome of each case of an evaluation; default: JSON lines in $HARNESS_CASES, if any"
    )
    inputs: tuple[Text, ...] | Only | None = Field(
        None,
        description="files and folders whose content affects the result, relative to directory; added to the files that the "
        "command names and what these import, unless written as {only: […]}; '!*.cache' leaves files out",
    )
    timeout: PositiveDuration | None = Field(None, description="time limit, such as 2h30m or a number of seconds; default: none")
    resources: Resources = Field(
        NOTHING,
        exclude_if=lambda value: value == NOTHING,
        description="what a run needs: {gpus: 2, cpus: 8, memory: 64G, nodes: 1}",
    )

    @field_validator("checkpoint")
    @classmethod
    def _is_in_the_run_dir(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts, advice = PurePath(value).parts, "use a name in {run_dir}, such as '*.pt'"
        if not parts or PurePath(value).is_absolute() or ".." in parts:
            raise ValueError(f"{value!r} leads out of {{run_dir}}; {advice}")
        if any("**" in part and part != "**" for part in parts):
            raise ValueError(f"{value!r} has ** within a name; {advice}")
        return value

    @property
    def timeout_s(self) -> float | None:
        """Seconds; None: no limit."""
        return None if self.timeout is None else duration(self.timeout)

    @property
    def listed(self) -> tuple[str, ...]:
        """The files and folders in `inputs`."""
        written = self.inputs.only if isinstance(self.inputs, Only) else self.inputs or ()
        return tuple(name for name in written if not name.startswith(LEAVE_OUT))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The patterns in `inputs` of files that do not count."""
        written = self.inputs.only if isinstance(self.inputs, Only) else self.inputs or ()
        return tuple(name.removeprefix(LEAVE_OUT) for name in written if name.startswith(LEAVE_OUT))

    @property
    def measured_by_cases(self) -> tuple[str, ...]:
        """The metrics that may be measured by cases."""
        if self.cases is not None:
            return tuple(keys_of(self.cases, self.metrics))
        return tuple(name for name, measure in self.metrics.items() if measure.source is None)

    @property
    def definition(self) -> dict[str, Any]:
        """The part of the step that run ids depend on."""
        found: dict[str, Any] = {
            "command": self.command,
            "metrics": {name: measure.definition for name, measure in self.metrics.items()},
            "first_metric": next(iter(self.metrics), None),
        }
        if self.cases is not None:
            percent = [name for name in self.measured_by_cases if self.metrics[name].unit == "%"]  # changes the values
            found["cases"] = {**self.cases.definition, **({"percent": percent} if percent else {})}
        return found


class Program(ProgramStep):
    """A training program, of one command or of several steps; it must read its seed from an argument or from $HARNESS_SEED."""

    command: str = Field("", description=ProgramStep.model_fields["command"].description)
    steps: dict[str, ProgramStep] = Field(
        {},
        description="several commands by name, in order, instead of command, resume, checkpoint, metrics, cases and timeout; "
        "the last one is the run, the others are runs that variants share where their settings are the same",
    )
    directory: Text = Field(".", description="where it runs; relative to this file, or to the top of the repository")
    repository: Text | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="a folder in a git repository, relative to this file: then `code` is a setting, whose values are branches, "
        "tags, commits, or '.' for the working tree",
    )
    link: tuple[Text, ...] = Field(
        (),
        exclude_if=lambda value: not value,
        description="untracked files and folders of the repository that every version gets links to, such as [data, .venv]",
    )
    prepare: Text | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="a command line that makes a version ready, run once in each, such as uv sync; {python}",
    )
    style: Style = Field("argparse", description="how {knobs} writes a parameter: --name=value, or name=value for hydra")
    knobs: dict[str, Value | Knob] = Field({}, description="its parameters with their defaults, as values or as {default: …}")
    environment: dict[str, Scalar] = Field({}, description="variables added to its environment; not for secrets")
    identical_seeds: Literal["stop", "allow"] = Field(
        "stop", description="what to do when a variant's first two seeds give identical curves"
    )

    @field_validator("link")
    @classmethod
    def _is_in_the_repository(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            parts = PurePath(name).parts
            if not parts or PurePath(name).is_absolute() or ".." in parts or ".git" in parts or "\0" in name:
                raise ValueError(f"{name!r} is not a file or folder of the repository; use names relative to its top level")
        return value

    # At a key: the problems of other types that `task` may have would hide one of the whole mapping.
    @field_validator("steps")
    @classmethod
    def _one_form(cls, value: dict[str, ProgramStep], info: ValidationInfo) -> dict[str, ProgramStep]:
        beside = [name for name in OF_A_STEP if info.data.get(name) not in (None, "", {})]
        if value and beside:
            raise ValueError(f"{beside[0]} beside steps; move it into the step that it is about")
        return value

    def knob(self, name: str) -> Knob:
        """A knob in its long form."""
        value = self.knobs[name]
        return value if isinstance(value, Knob) else Knob(default=value)

    @property
    def definition(self) -> dict[str, Any]:
        """The part of the program that run ids depend on, beside the values of knobs and the content of inputs."""
        flags = {"knobs": {name: self.knob(name).flag for name in sorted(self.knobs)}}
        steps = {name: step.definition for name, step in self.steps.items()}
        found: dict[str, Any] = {"steps": steps, **flags} if steps else {"command": "", **flags, **super().definition}
        if self.style != "argparse":
            found["style"] = self.style
        if self.prepare is not None:
            found["prepare"] = self.prepare
        return {**found, "environment": dict(self.environment)} if self.environment else found

    @property
    def version(self) -> str:
        """The first 12 hex digits of SHA-256 over the definition's canonical JSON."""
        return definition_digest(self.definition)


# What a program of one command has itself, and one of several in each step. `inputs` of the program are those of all steps.
OF_A_STEP = ("command", "resume", "checkpoint", "metrics", "cases", "timeout")


def _letters(value: Any) -> str:
    """All text in a value."""
    return "".join(map(_letters, value)) if isinstance(value, tuple) else value if isinstance(value, str) else ""


def definition_digest(definition: Mapping[str, Any]) -> str:
    """The task's version for a definition."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
