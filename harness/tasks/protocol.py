"""The task protocol: the interface between the harness and training code.

Planner, store, workers, tracking, verdicts and report use tasks through this module only.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel

from harness.common import optional_packages
from harness.errors import PackageError
from harness.tasks.environment import Observed
from harness.tasks.resources import NOTHING, Resources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = int | float
Accelerator = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Metric:
    """A metric: its unit and which direction is better.

    Its smallest step is `resolution`, or for a percentage 100 over the number of cases, which results contain under the name
    `cases` (test images); without either it is unknown. `exact`: deterministic and known before training (parameters); compared
    without a test. `split`: the cases it is measured on, None if that does not apply (times); searches and tuning choose by
    validation metrics and never use test metrics. `take`: the result of a run is its last value or the best of all; `at_best`:
    its value at the epoch where that metric is best. `usual_sd`: by the name of the data (its fingerprint up to the colon), the
    standard deviation of the paired differences of two variants to assume for the power of full runs that nothing is known of.
    """

    unit: str
    goal: Literal["minimize", "maximize"]
    resolution: float | None = None
    cases: str | None = None
    exact: bool = False
    split: Literal["train", "validation", "test"] | None = None
    take: Literal["last", "best"] = "last"
    at_best: str | None = None
    usual_sd: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def chosen_by_best(self) -> bool:
        """Whether the result is one of the run's values, chosen, instead of the last."""
        return self.take == "best" or self.at_best is not None


def optimistic(name: str, metrics: Mapping[str, Metric]) -> str | None:
    """Why the result of a metric is better than that of a training that did not look at it; None if it is not.

    The best of several noisy values is too good. For early stopping by a validation metric that does not matter, as results are
    not validation values.
    """
    metric = metrics.get(name)
    if metric is None:
        return None
    if metric.take == "best" and metric.split in ("test", None):
        return f"the best of all {'test ' if metric.split == 'test' else ''}values of a run"
    by = metrics.get(metric.at_best or "")
    return f"taken where {metric.at_best}, a test metric, is best" if by is not None and by.split == "test" else None


def without_test_metrics(values: Mapping[str, float], known: Mapping[str, Metric] | None) -> dict[str, float]:
    """The values not measured on the test split; none if the metrics are unknown. Runs used for a choice show no others."""
    if known is None:
        return {}
    return {name: value for name, value in values.items() if name not in known or known[name].split != "test"}


@dataclass(frozen=True)
class Location:
    """Marks a configuration field that is only a path (`data.root`): not part of a run's identity."""


@dataclass(frozen=True)
class Neutral:
    """Marks a field added after results existed: with `value` (the old behaviour) it is left out of the identity."""

    value: Any


@dataclass(frozen=True)
class Part:
    """A part of a network. Its own `parts` run in sequence, except those that are `beside`."""

    name: str
    does: str
    shape: tuple[int, ...]  # of its output for one case, channels first
    parameters: int
    multiply_adds: int
    beside: bool = False  # has the input of the first of its siblings; added to the output of the last
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Workload:
    """What a run trains: how many cases, called `what`; parameters; multiply-adds of all forward passes in training."""

    cases: int
    what: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Examples:
    """What people see of test cases: the names of the labels, and the images uint8 [case, height, width, 3] if there are any."""

    classes: tuple[str, ...]
    images: NDArray[np.uint8] | None = None


class TrainingFailed(Exception):
    """A training failed for a known reason. `place` is equal for failures at the same place in the code."""

    def __init__(
        self, reason: Literal["exit", "timeout", "output", "oom", "disk", "killed"], message: str, place: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.place = place or f"{reason}: {message}"


@dataclass(frozen=True)
class Prerequisite:
    """A run that must have completed before another one: a step that several runs may share."""

    name: str  # such as pretrain
    task_name: str  # as in specs
    task: Task
    config: BaseModel
    data: str  # its fingerprint
    needs: tuple[str, ...] = ()  # the names of earlier prerequisites that it needs itself
    program: Mapping[str, Any] | None = None  # definition, if the task is a command
    resources: Resources = NOTHING  # what it requests itself, instead of what the run that needs it requests


@dataclass(frozen=True)
class Prepared:
    """What a completed prerequisite left: the folder of its files, and the metrics of its result."""

    folder: Path
    metrics: Mapping[str, float]


class Training(Protocol):
    """One run in memory. Members that are not abstract are optional."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the last epoch has been trained."""

    @abstractmethod
    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Train to the end of the current epoch and return its row; None if `should_stop` interrupted it.

        The row has at least `epoch` (from 1), `step` (cumulative) and `seconds`, and the declared metrics that the configuration
        measures. None means "not measured this time"; a non-finite value of a declared metric ends the run as diverged. After an
        interruption `state_dict` includes the position in the epoch, and the next `advance` on the same object continues there:
        so checkpoints are written inside epochs.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything needed to resume with the same bits: plain dicts, lists, tensors, numbers, strings."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what `state_dict` returned."""

    @abstractmethod
    def predictions(self) -> Mapping[str, Any] | None:
        """Arrays to keep beside the result, such as `probabilities` [image, class] float16 and `labels` [image]; or None.

        For claims across cases: `cases` [case] (ids, text or integers), optionally `groups` [case], and the outcomes [case] of
        each metric, whose mean (times 100, if its unit is %) is the value of the metric in the last row.
        """

    @property
    def choices(self) -> Mapping[str, bool] | None:
        """Choices of the implementation that affect rounding, by name (such as compiled); a resumed run keeps them."""
        return None

    def last_words(self) -> Sequence[Mapping[str, Number | None]]:
        """For runs that resume from their own files: end the run and return the rows until then, which those files include.

        Called when a run is interrupted, before it is saved and closed.
        """
        return ()

    def close(self) -> None:
        """Release resources, such as a process. Called once, however the run ends."""
        return


class Task(Protocol):
    """Training code for a configuration and a seed. Members that are not abstract are optional.

    `Config` is the pydantic model of the configuration: frozen, extra="forbid", every field with a default. `version` is part of
    every run id; change it only if old results are no longer comparable. `metrics` are those of rows and results; the first is
    the default of claims.
    """

    Config: type[BaseModel]
    version: str
    metrics: Mapping[str, Metric]

    @abstractmethod
    def resolve(self, config: Any, accelerator: Accelerator) -> BaseModel:
        """The configuration with every `auto` replaced for `accelerator`; called before run ids are computed."""

    @abstractmethod
    def fingerprint(self, config: Any) -> str:
        """Identifies the data without decoding it. Raises DataError if the data is missing."""

    @abstractmethod
    def describe(self, config: Any) -> Mapping[str, Number]:
        """Properties of the configuration, such as `parameters`; may take seconds (imports, a network on the meta device)."""

    @abstractmethod
    def start(self, config: Any, seed: int, device: str) -> Training:
        """A fresh run. `device` is `cpu` or `cuda`. Raises DataError, DeviceError."""

    def missing(self, config: Any) -> Sequence[str]:  # noqa: ARG002 - unused by default
        """Sentences on what a run of `config` needs and this machine lacks, such as a data set, for warnings. Does not raise."""
        return ()

    def required_packages(self, config: Any) -> Sequence[str]:  # noqa: ARG002 - unused by default
        """The packages that a run of `config` imports and this machine may lack, by the names that are imported, such as torch.

        A command that would train without them ends before it writes anything.
        """
        return ()

    def workload(self, config: Any) -> Workload | None:  # noqa: ARG002 - unused by default
        """What a run of `config` trains, to compare small versions of an experiment with large ones; None: not known.

        Raises DataError if the data is missing.
        """
        return None

    @property
    def has_workload(self) -> bool:
        """Whether the task implements `workload`."""
        return type(self).workload is not Task.workload

    def outline(self, config: Any) -> Sequence[Part]:  # noqa: ARG002 - unused by default
        """The network's parts in order, the input first, for diagrams in reports. Raises DataError if the data is missing."""
        return ()

    def examples(self, config: Any, cases: Sequence[int]) -> Examples | None:  # noqa: ARG002 - unused by default
        """The test cases at these places of the arrays of `predictions`, for people to look at; None: there is nothing to show.

        Downloads nothing: images of data that is not on this machine are left out. Raises DataError if the data is damaged.
        """
        return None

    @property
    def has_outline(self) -> bool:
        """Whether the task implements `outline`."""
        return type(self).outline is not Task.outline

    def start_in(self, config: Any, seed: int, device: str, folder: Path) -> Training:  # noqa: ARG002 - unused by default
        """`start` with a folder for the run's own files, which exists and is empty unless the run resumes.

        A task with this method resumes from these files, and is itself responsible for equal bits: `load_state_dict` gets
        `{"rows": …}`, all recorded rows, because the files may be newer than the last `state_dict`. It must remove the rows that
        the training will return again from that list; rows that the files include must not be missing, see
        `Training.last_words`.
        """
        return self.start(config, seed, device)

    @property
    def keeps_files(self) -> bool:
        """Whether runs resume from their own files instead of a state dict."""
        return type(self).start_in is not Task.start_in

    @property
    def resumes(self) -> bool:
        """Whether runs can be resumed; if not, each start is from the beginning and no checkpoint is kept."""
        return True

    def goes_on(self, folder: Path) -> bool:  # noqa: ARG002 - unused by default
        """Whether a run started in this folder would resume from its content."""
        return False

    def installed(self, config: Any, seed: int, device: str, folder: Path) -> Observed | None:  # noqa: ARG002 - unused by default
        """What the training code of this run has installed, if that is not what its worker has. Does not raise."""
        return None

    def prerequisites(self, config: Any, data: str) -> Sequence[Prerequisite]:  # noqa: ARG002 - unused by default
        """The runs that a run of `config` needs first, each after those that it needs itself. `data`: the run's fingerprint.

        Pure: their ids are computed where neither the data nor the programs are. They get the seed of the run.
        """
        return ()

    @property
    def has_prerequisites(self) -> bool:
        """Whether the task implements `prerequisites`."""
        return type(self).prerequisites is not Task.prerequisites

    def prepared(self, by: Mapping[str, Prepared]) -> Task:  # noqa: ARG002 - unused by default
        """This task for a run whose prerequisites, by name, have completed; called before `installed` and `start_in`."""
        return self

    @property
    def own_resources(self) -> Resources:
        """What a run requests because of the task, whatever its variant requests."""
        return NOTHING

    def allotted(self, resources: Resources) -> Task:  # noqa: ARG002 - unused by default
        """This task for a run with these resources; called before `installed` and `start_in`."""
        return self

    @property
    def code_folder(self) -> Path | None:
        """The folder of the training code, if that is not the folder of the task's module."""
        return None

    def code_of(self, config: Any) -> Path | None:  # noqa: ARG002 - unused by default
        """`code_folder` of a configuration, for tasks whose code is a part of it."""
        return self.code_folder


REQUIRED_MEMBERS = ("Config", "version", "metrics", "resolve", "fingerprint", "describe", "start")  # required of every task


def with_optional_members(found: Any, base: type) -> Any:
    """`found`, a task or training, with missing optional members added to its class, which need not derive from `base`."""
    for name, default in vars(base).items():
        optional = not name.startswith("_") and not getattr(default, "__isabstractmethod__", False)
        if optional and not hasattr(found, name):
            setattr(type(found), name, default)
    return found


# Metrics that result.json adds to those of the task.
RESULT_METRICS: Mapping[str, Metric] = {
    "parameters": Metric("", "minimize", exact=True),
    "train_seconds": Metric("s", "minimize"),
    "samples_per_second": Metric("samples/s", "maximize"),
    "peak_memory_bytes": Metric("B", "minimize"),
}


def result_metrics(task: Task) -> dict[str, Metric]:
    """All metrics for claims: the task's (the first is the default), the fluctuation of the first, and `RESULT_METRICS`."""
    first, metric = next(iter(task.metrics.items()))
    fluctuation = {f"{first}_fluctuation": Metric(metric.unit, "minimize", split=metric.split)}
    return {**task.metrics, **fluctuation, **RESULT_METRICS}


def selection_metric(task: Task) -> str | None:
    """The default objective of searches and tuning: the first metric of the validation split, else of no split."""
    for split in ("validation", None):
        if found := next((name for name, metric in task.metrics.items() if metric.split == split), None):
            return found
    return None


def parse_config(task: Task, values: Mapping[str, Any]) -> BaseModel:
    """A configuration read back from JSON (a plan, a spec), validated; JSON lists become tuples."""
    return task.Config.model_validate_json(json.dumps(values))


def lacking_packages(name: str, task: Task, configs: Iterable[Any]) -> PackageError | None:
    """The error that names the packages which runs of the task `name` import and this machine lacks; None: it has all."""
    return optional_packages.lacking(_packages_of(task, configs), f"the task {name}")


def broken_packages(name: str, task: Task, configs: Iterable[Any]) -> PackageError | None:
    """The error of a package that runs of the task `name` import and whose files are incomplete; see `broken`."""
    return optional_packages.broken(_packages_of(task, configs), f"the task {name}")


def _packages_of(task: Task, configs: Iterable[Any]) -> Iterable[str]:
    return dict.fromkeys(package for config in configs for package in task.required_packages(config))


def cache_folder() -> Path:
    """Folder for data that can be rebuilt (decoded data, fingerprints): `$HARNESS_CACHE`, else `results/cache`."""
    return Path(os.environ.get("HARNESS_CACHE", "results/cache"))
