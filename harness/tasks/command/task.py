"""A program as a task: knobs are the configuration, inputs the data, the output gives the rows."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import lru_cache
from pathlib import Path

from harness.common import shared_files
from harness.common.near_names import files_near, meant
from harness.common.patience import answered
from harness.errors import DataError, DeviceError, HarnessError, InputError
from harness.tasks.command import guards, steps, survey, template
from harness.tasks.command.code.checkout import checkout
from harness.tasks.command.code.git import without_places
from harness.tasks.command.code.imports import refuse_other_code, within_checkout
from harness.tasks.command.code.intact import refuse_changed
from harness.tasks.command.code.refs import commit_of
from harness.tasks.command.code.version import CODE
from harness.tasks.command.inputs import fingerprint as inputs
from harness.tasks.command.inputs.found import Detected, merged
from harness.tasks.command.knobs import Knobs, config_model
from harness.tasks.command.machine import Port, check_gpus, gpu_variables, host_name
from harness.tasks.command.model import TASK_NAME, Value
from harness.tasks.command.model import Program as Definition
from harness.tasks.command.styles import printed
from harness.tasks.command.training import CommandTraining
from harness.tasks.command.wandb_offline import WANDB_FOLDER, wandb_offline
from harness.tasks.environment import Observed
from harness.tasks.protocol import Accelerator, Metric, Number, Prepared, Prerequisite, Task
from harness.tasks.resources import NOTHING, Resources, field_of

SCRIPTS = (".py", ".sh")


class CommandTask(Task):
    """Trains a program."""

    def __init__(self, definition: Definition, *planned: str) -> None:
        """`planned` are the fingerprints in the plan; runs with other inputs raise DataError."""
        self.program = definition
        self.definition = steps.last(definition)  # the command that a run starts
        name = next(reversed(definition.steps), None)
        self.planned = planned if name is None else tuple(steps.parts(definition, data)[name] for data in planned)
        self.needs = () if name is None else steps.needed(definition, name)  # the names of the earlier steps
        self.earlier: Mapping[str, Prepared] = {}
        self.resources = NOTHING  # of the run
        self._steps = {
            one: command_task(steps.alone(definition, one), *dict.fromkeys(steps.part(definition, data, one) for data in planned))
            for one in self.needs
        }
        self.knobs = {name: definition.knob(name) for name in definition.knobs}
        self.requests = steps.requests(definition)  # the resources whose values the command lines contain
        self.Config: type[Knobs] = config_model(self.knobs, definition.style, definition.repository, self.requests)
        self.version = definition.version
        measures = dict(self.definition.metrics)
        for one in self.needs:
            measures |= definition.steps[one].metrics
        self.metrics: Mapping[str, Metric] = {name: measure.metric for name, measure in measures.items()}

    def resolve(self, config: Knobs, accelerator: Accelerator) -> Knobs:  # noqa: ARG002 - the protocol's signature
        """With the commit instead of the name of a version. Raises InputError."""
        if self.program.repository is None:
            return config
        commit = commit_of(Path(self.program.repository), version_of(config), self.program.link)
        return self.Config.model_validate({**dict(config), CODE: commit})

    def fingerprint(self, config: Knobs) -> str:
        """Names and digests of the inputs, of several steps step by step. Raises DataError, InputError."""
        values, program = self.values(config), self.placed(self.program, config)
        if not program.steps:
            return inputs.fingerprint(program, values)
        return steps.joined({name: inputs.fingerprint(steps.plain(program, name), values) for name in program.steps})

    def counted(self, configs: Iterable[Knobs]) -> Detected:
        """The inputs of the given configurations, of all steps, with how each was found."""
        return merged(
            inputs.counted_by_any(each, [self.values(config) for config in same])
            for program, same in self.by_version(configs)
            for each in [steps.plain(program, name) for name in program.steps] or [program]
        )

    def by_version(self, configs: Iterable[Knobs]) -> list[tuple[Definition, list[Knobs]]]:
        """The program in the folder of each version, with the configurations of that version. Raises InputError."""
        found: dict[str, tuple[Definition, list[Knobs]]] = {}
        for config in configs:
            program = self.placed(self.program, config)
            found.setdefault(program.directory, (program, []))[1].append(config)
        return list(found.values())

    def placed(self, program: Definition, config: Knobs) -> Definition:
        """`program` with the folder of the version in which it runs, which is made if need be. Raises InputError."""
        if program.repository is None:
            return program
        folder = self._checkout(config) / program.directory
        if not folder.is_dir():
            commit = version_of(config)[:7]
            raise InputError(f"task.directory: no folder {program.directory} in the version {commit}; use another folder")
        return Definition.model_validate({**dict(program), "directory": str(folder)})

    def _checkout(self, config: Knobs) -> Path:
        return checkout(self.program, version_of(config), self._variables())

    def _refuse_changed(self, config: Knobs) -> None:
        """Raises InputError if the files of a version were changed since it was checked out."""
        if self.program.repository is not None:
            refuse_changed(self._checkout(config))

    def describe(self, config: Knobs) -> Mapping[str, Number]:  # noqa: ARG002 - the protocol's signature
        """Empty: nothing is known before it runs."""
        return {}

    def missing(self, config: Knobs) -> Sequence[str]:
        """The program, or its script, if it is not found on this machine."""
        try:
            directory = Path(self.placed(self.definition, config).directory)
            line = self.arguments(config, 0, "cpu", directory)
            _require(line[0], directory, self.environment(0, "cpu", directory)["PATH"])
        except HarnessError as error:
            return [str(error)]
        script = next((word for word in line[1:] if word.endswith(SCRIPTS)), None)
        if script is None or (directory / script).exists():
            return []
        close = files_near(directory / script, f"*{Path(script).suffix}")
        return [f"command: {script}: no such file in {directory}{f'; {meant(close)}' if close else ''}"]

    def prerequisites(self, config: Knobs, data: str) -> Sequence[Prerequisite]:
        """The earlier steps. Raises InputError if `data` is not a fingerprint of this program."""
        found = []
        for name, task in self._steps.items():
            own = task.Config(**{knob: getattr(config, knob) for knob in task.Config.model_fields})
            part = steps.part(self.program, data, name)
            requested = self.program.steps[name].resources
            found.append(Prerequisite(name, TASK_NAME, task, own, part, task.needs, task.program.definition, requested))
        return found

    def prepared(self, by: Mapping[str, Prepared]) -> CommandTask:
        """This task with the folders for {steps.NAME} and the metrics of the earlier steps."""
        found = copy(self)
        found.earlier = by
        return found

    def allotted(self, resources: Resources) -> CommandTask:
        """This task for a run with these resources: its program sees as many GPUs."""
        found = copy(self)
        found.resources = resources
        return found

    @property
    def own_resources(self) -> Resources:
        """Those of the last step; of a program of one command, variants may request others."""
        steps = self.program.steps
        return steps[next(reversed(steps))].resources if steps else NOTHING

    @property
    def resumes(self) -> bool:
        """Whether the definition has `resume`."""
        return self.definition.resume is not None

    def code_of(self, config: Knobs) -> Path:
        """The working directory of the program."""
        return Path(self.placed(self.definition, config).directory)

    def installed(self, config: Knobs, seed: int, device: str, folder: Path) -> Observed:
        """Asked from the program's interpreter. Meanwhile the guard of the program boots."""
        guards.boot()
        folder = folder.absolute()
        words = self.arguments(config, seed, device, folder)
        directory = self.code_of(config)
        found = survey.observed(words, directory, self.environment(seed, device, folder))
        return found if self.definition.repository is None else within_checkout(found, directory)

    def check_version(self, config: Knobs, seed: int, device: str) -> None:
        """Raises InputError if the version of `config` is not what would run: its files were changed since it was checked out, or
        the program would import the repository's code from elsewhere.
        """
        program, folder = self.placed(self.definition, config), Path("run_dir").absolute()
        self._refuse_changed(config)
        refuse_other_code(program, self.arguments(config, seed, device, folder), self.environment(seed, device, folder))

    def goes_on(self, folder: Path) -> bool:
        """Whether the program can resume, and an earlier attempt left the required files."""
        if not self.resumes or not shared_files.is_folder(folder):
            return False
        if (pattern := self.definition.checkpoint) is not None:
            return answered(folder, lambda: any(folder.glob(pattern)))
        return any(name != WANDB_FOLDER or not self._logs_to_wandb for name in shared_files.names(folder))

    def start(self, config: Knobs, seed: int, device: str) -> CommandTraining:
        """A run in a temporary folder."""
        folder = tempfile.TemporaryDirectory(prefix="harness-run-")
        own = Path(folder.name) / "files"  # beside it is room for its cases
        own.mkdir()
        training = self.start_in(config, seed, device, own)
        training.scratch = folder
        return training

    def start_in(self, config: Knobs, seed: int, device: str, folder: Path) -> CommandTraining:
        """A run with its folder. Raises DataError if inputs are missing or changed, DeviceError if the program is not found.

        InputError if its version cannot be checked out, or would not be what runs.
        """
        program = self.placed(self.definition, config)
        self._refuse_changed(config)
        found = inputs.fingerprint(program, self.values(config))
        if changed := inputs.changed(program, self._planned_for(found), found):
            raise DataError(f"the inputs have changed since the plan was made: {', '.join(changed)}; {CHANGED_ADVICE}")
        folder = folder.absolute()
        environment = self.environment(seed, device, folder)
        check_gpus(self._device(device), self.resources, environment)
        line = self.arguments(config, seed, device, folder)
        _require(line[0], Path(program.directory), environment["PATH"])
        if program.repository is not None:
            refuse_other_code(program, line, environment)
        carried = {name: value for step in self.earlier.values() for name, value in step.metrics.items() if name in self.metrics}
        training = CommandTraining(program, line, environment, folder, carried, goes_on=self.goes_on(folder))
        if self._names_port:
            training.port = Port()
            training.arguments = self.arguments(config, seed, device, folder, training.port.number)
        return training

    def _planned_for(self, found: str) -> Sequence[str]:
        """The fingerprints to compare with; of versions, whose files of one name differ, the one most like `found`."""
        if self.definition.repository is None or not self.planned:
            return self.planned
        return [max(self.planned, key=lambda planned: inputs.agreement(planned, found))]

    def arguments(self, config: Knobs, seed: int, device: str, folder: Path, port: int | None = None) -> list[str]:
        """The program and its arguments, with those of `resume` if it resumes. Without a `port`, {port} stays as it is."""
        values = self.values(config)
        of_the_start = {"host": host_name(), **({} if port is None else {"port": str(port)})}
        given = {name: text for name, text in of_the_start.items() if name not in self.knobs}
        given |= {"seed": str(seed), "run_dir": str(folder), "python": sys.executable, "device": self._device(device)}
        given |= {template.STEP + name: str(step.folder.absolute()) for name, step in self.earlier.items()}
        style = self.definition.style
        found = template.arguments(self.definition.command, self.knobs, values, given, style)
        if self.goes_on(folder):
            found += template.arguments(self.definition.resume or "", self.knobs, values, given, style)
        return found

    @property
    def _logs_to_wandb(self) -> bool:
        return any(measure.wandb is not None for measure in self.definition.metrics.values())

    @property
    def _names_port(self) -> bool:
        named = template.placeholders(f"{self.definition.command} {self.definition.resume or ''}")
        return "port" in named and "port" not in self.knobs

    def values(self, config: Knobs) -> dict[str, Value]:
        """The values of the knobs, and of the resources that the command lines contain."""
        requested = {name: getattr(config, field_of(name)) for name in self.requests}
        return {**{name: getattr(config, name) for name in self.knobs}, **requested}

    def _device(self, device: str) -> str:
        return "cpu" if self.resources.gpus == 0 else device

    def environment(self, seed: int, device: str, folder: Path) -> dict[str, str]:
        """The environment of this process plus variables of the definition and the harness; it sees the GPUs of the run."""
        device = self._device(device)
        found = {"PYTHONUNBUFFERED": "1", **gpu_variables(device, self.resources)}
        found = self._variables(found)
        if self._logs_to_wandb:
            found = wandb_offline(found, folder, self.definition.environment)
        return {**found, "HARNESS_SEED": str(seed), "HARNESS_RUN_DIR": str(folder), "HARNESS_DEVICE": device}

    def _variables(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of this process, `own` variables, and those of the definition."""
        inherited = os.environ if self.definition.repository is None else without_places(os.environ)
        found = {**inherited, **(own or {})}
        found |= {name: printed(value) for name, value in self.definition.environment.items()}
        # `python` is the interpreter of this process unless another environment is active.
        found["PATH"] = os.pathsep.join(filter(None, [found.get("PATH"), str(Path(sys.executable).parent)]))
        return found


def version_of(config: Knobs) -> str:
    """The version of the code in a configuration of a program with a repository."""
    found: str = getattr(config, CODE)
    return found


CHANGED_ADVICE = (
    "use --replan, or undo the change; a program should write to {run_dir}: "
    "files that it writes among its inputs are left out with inputs: ['!*.cache']"
)


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
