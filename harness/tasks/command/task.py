"""A program as a task: knobs are the configuration, inputs the data, the output gives the rows."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from harness.errors import DataError, DeviceError
from harness.tasks.command import inputs, survey, template
from harness.tasks.command.knobs import Knobs, config_model
from harness.tasks.command.model import Program as Definition
from harness.tasks.command.model import Scalar
from harness.tasks.command.training import CommandTraining
from harness.tasks.environment import Observed
from harness.tasks.protocol import Accelerator, Metric, Number, Task


class CommandTask(Task):
    """Trains a program."""

    def __init__(self, definition: Definition, *planned: str) -> None:
        """`planned` are the fingerprints in the plan; runs with other inputs raise DataError."""
        self.definition = definition
        self.planned = planned
        self.knobs = {name: definition.knob(name) for name in definition.knobs}
        self.Config: type[Knobs] = config_model(self.knobs)
        self.version = definition.version
        self.metrics: Mapping[str, Metric] = {name: measure.metric for name, measure in definition.metrics.items()}

    def resolve(self, config: Knobs, accelerator: Accelerator) -> Knobs:  # noqa: ARG002 - the protocol's signature
        """Unchanged."""
        return config

    def fingerprint(self, config: Knobs) -> str:
        """Names and digests of the inputs. Raises DataError."""
        return inputs.fingerprint(self.definition, self._values(config))

    def describe(self, config: Knobs) -> Mapping[str, Number]:  # noqa: ARG002 - the protocol's signature
        """Empty: nothing is known before it runs."""
        return {}

    @property
    def resumes(self) -> bool:
        """Whether the definition has `resume`."""
        return self.definition.resume is not None

    @property
    def code_folder(self) -> Path:
        """The working directory of the program."""
        return Path(self.definition.directory)

    def installed(self, config: Knobs, seed: int, device: str, folder: Path) -> Observed:
        """Asked from the program's interpreter."""
        folder = folder.absolute()
        words = self.arguments(config, seed, device, folder)
        return survey.observed(words, Path(self.definition.directory), self.environment(seed, device, folder))

    def goes_on(self, folder: Path) -> bool:
        """Whether the program can resume, and an earlier attempt left the required files."""
        return self.resumes and folder.is_dir() and any(folder.glob(self.definition.checkpoint or "*"))

    def start(self, config: Knobs, seed: int, device: str) -> CommandTraining:
        """A run in a temporary folder."""
        folder = tempfile.TemporaryDirectory(prefix="harness-run-")
        own = Path(folder.name) / "files"  # beside it is room for its cases
        own.mkdir()
        training = self.start_in(config, seed, device, own)
        training.scratch = folder
        return training

    def start_in(self, config: Knobs, seed: int, device: str, folder: Path) -> CommandTraining:
        """A run with its folder. Raises DataError if inputs are missing or changed, DeviceError if the program is not found."""
        if changed := inputs.changed(self.definition, self.planned, self.fingerprint(config)):
            raise DataError(f"the inputs have changed since the plan was made: {', '.join(changed)}; {CHANGED_ADVICE}")
        folder = folder.absolute()
        environment = self.environment(seed, device, folder)
        line = self.arguments(config, seed, device, folder)
        _require(line[0], Path(self.definition.directory), environment["PATH"])
        return CommandTraining(self.definition, line, environment, folder, goes_on=self.goes_on(folder))

    def arguments(self, config: Knobs, seed: int, device: str, folder: Path) -> list[str]:
        """The program and its arguments, with those of `resume` if it resumes."""
        values = self._values(config)
        given = {"seed": str(seed), "run_dir": str(folder), "python": sys.executable, "device": device}
        found = template.arguments(self.definition.command, self.knobs, values, given)
        if self.goes_on(folder):
            found += template.arguments(self.definition.resume or "", self.knobs, values, given)
        return found

    def _values(self, config: Knobs) -> dict[str, Scalar]:
        return {name: getattr(config, name) for name in self.knobs}

    def environment(self, seed: int, device: str, folder: Path) -> dict[str, str]:
        """The environment of this process plus variables of the definition and the harness; no GPU is visible to CPU runs."""
        found = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if device == "cpu":
            found["CUDA_VISIBLE_DEVICES"] = ""
        found |= {name: template.printed(value) for name, value in self.definition.environment.items()}
        # `python` is the interpreter of this process unless another environment is active.
        found["PATH"] = os.pathsep.join(filter(None, [found.get("PATH"), str(Path(sys.executable).parent)]))
        return {**found, "HARNESS_SEED": str(seed), "HARNESS_RUN_DIR": str(folder), "HARNESS_DEVICE": device}


CHANGED_ADVICE = "use --replan, or undo the change (inputs must not be written by the program; it should write to {run_dir})"


@lru_cache(maxsize=64)
def _task(definition: str, *planned: str) -> CommandTask:
    return CommandTask(Definition.model_validate_json(definition), *planned)


def command_task(definition: Definition, *planned: str) -> CommandTask:
    """The task of a program, cached."""
    return _task(definition.model_dump_json(by_alias=True), *planned)


def _require(program: str, directory: Path, path: str) -> None:
    """Raises DeviceError if the program is not found on this machine, which is not a failure of the run."""
    here = directory / program if os.sep in program else None
    if here is not None and here.is_file() and not os.access(here, os.X_OK):
        raise DeviceError(f"command: {here} is not executable; use chmod +x, or name its interpreter, such as: bash {program}")
    if shutil.which(str(here) if here else program, path=path) is None:
        where = f"no such file: {here}" if here else "not found on this machine's PATH"
        raise DeviceError(f"command: {program!r}: {where}; use an installed program, or a path relative to {directory}")
