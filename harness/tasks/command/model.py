"""Pydantic models of the `task:` mapping in experiment files and plans: the definition of a training program.

In plans the directory is absolute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from harness.common.stopping import duration
from harness.errors import InputError
from harness.tasks.command.cases import CaseFile, keys_of
from harness.tasks.command.measure import Measure, Strict, Text

TASK_NAME = "command"  # of every program in plans and specs; versions distinguish programs
Scalar = bool | int | float | str


class Knob(Strict):
    """One parameter of the program, in the long form; its type is that of the default."""

    default: Scalar
    least: float | None = Field(None, alias="from", description="the least value allowed")
    most: float | None = Field(None, alias="to", description="the largest value allowed")
    choice: tuple[Scalar, ...] | None = Field(None, min_length=1, description="the values allowed")
    flag: Text | None = Field(
        None,
        description="the option's spelling, default --name; for a boolean the flag for true, "
        "such as --compile, or --compile/--no-compile",
    )

    @field_validator("default", "choice")
    @classmethod
    def _no_nul(cls, value: Scalar | tuple[Scalar, ...] | None) -> Scalar | tuple[Scalar, ...] | None:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str) and "\0" in item:
                raise ValueError("a NUL character cannot be part of an argument")
        return value


class Program(Strict):
    """A training program; it must read its seed from an argument or from $HARNESS_SEED."""

    command: Text = Field(description="the command line; no shell reads it; {seed}, {run_dir}, {knobs}, {NAME} of a knob")
    resume: Text | None = Field(
        None, description="arguments added if {run_dir} contains an earlier attempt; default: start from the beginning"
    )
    checkpoint: Text | None = Field(
        None, description="which file in {run_dir} resuming needs, such as '*.pt'; default: any file or folder"
    )
    directory: Text = Field(".", description="where it runs; relative to this file")
    knobs: dict[str, Scalar | Knob] = Field({}, description="its parameters with their defaults, as values or as {default: …}")
    metrics: dict[str, Measure] = Field(min_length=1, description="what it measures; the first is the default of claims")
    cases: CaseFile | None = Field(
        None, description="files with the outcome of each case of an evaluation; default: JSON lines in $HARNESS_CASES, if any"
    )
    inputs: tuple[Text, ...] | None = Field(
        None,
        description="files and folders whose content affects the result; relative to directory; default: files in the command",
    )
    environment: dict[str, Scalar] = Field({}, description="variables added to its environment; not for secrets")
    timeout: Annotated[float, Field(gt=0)] | Text | None = Field(
        None, description="time limit, such as 2h30m or a number of seconds; default: none"
    )
    identical_seeds: Literal["stop", "allow"] = Field(
        "stop", description="what to do when a variant's first two seeds give identical curves"
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

    @field_validator("timeout")
    @classmethod
    def _is_a_duration(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, str):
            try:
                seconds = duration(value)
            except InputError as error:
                raise ValueError(str(error)) from error
            if seconds <= 0:
                raise ValueError(f"{value!r} must be above 0")
        return value

    @property
    def timeout_s(self) -> float | None:
        """Seconds; None: no limit."""
        return duration(self.timeout) if isinstance(self.timeout, str) else self.timeout

    def knob(self, name: str) -> Knob:
        """A knob in its long form."""
        value = self.knobs[name]
        return value if isinstance(value, Knob) else Knob(default=value)

    @property
    def measured_by_cases(self) -> tuple[str, ...]:
        """The metrics that may be measured by cases."""
        if self.cases is not None:
            return tuple(keys_of(self.cases, self.metrics))
        return tuple(name for name, measure in self.metrics.items() if measure.source is None)

    @property
    def definition(self) -> dict[str, Any]:
        """The part of the program that run ids depend on, beside the values of knobs and the content of inputs."""
        found: dict[str, Any] = {
            "command": self.command,
            "knobs": {name: self.knob(name).flag for name in sorted(self.knobs)},
            "metrics": {name: measure.definition for name, measure in self.metrics.items()},
            "first_metric": next(iter(self.metrics)),
        }
        if self.cases is not None:
            percent = [name for name in self.measured_by_cases if self.metrics[name].unit == "%"]  # changes the values
            found["cases"] = {**self.cases.definition, **({"percent": percent} if percent else {})}
        return {**found, "environment": dict(self.environment)} if self.environment else found

    @property
    def version(self) -> str:
        """The first 12 hex digits of SHA-256 over the definition's canonical JSON."""
        return definition_digest(self.definition)


def definition_digest(definition: Mapping[str, Any]) -> str:
    """The task's version for a definition."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
