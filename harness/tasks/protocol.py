"""The task protocol: what the harness asks of anything that can be trained.

Planner, store, workers, tracking, verdicts and report know a task through this module only.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Number = int | float
Accelerator = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Metric:
    """How a metric reads: its unit and which direction is better.

    Its smallest step is `resolution`, or for a percentage 100 over the number of cases that results hold under the name `cases`
    (test images); neither: unknown. `exact`: it has no spread by nature (parameters), is known before training, and is compared
    without a test. `split`: the cases it is measured on; searches and tuning choose by validation and never see test. None: it
    does not matter, as for a time.
    """

    unit: str
    goal: Literal["minimize", "maximize"]
    resolution: float | None = None
    cases: str | None = None
    exact: bool = False
    split: Literal["train", "validation", "test"] | None = None


@dataclass(frozen=True)
class Location:
    """Marks a configuration field that says only where things lie (`data.root`): it is no part of a run's identity."""


@dataclass(frozen=True)
class Neutral:
    """Marks a field added after results existed: while it holds `value` (the old behaviour) it is left out of the identity."""

    value: Any


@dataclass(frozen=True)
class Part:
    """A piece of a network as one case flows through it. A part's own `parts` run one after the other, but for those `beside`."""

    name: str
    does: str
    shape: tuple[int, ...]  # of what it puts out for one case, channels first
    parameters: int
    multiply_adds: int
    beside: bool = False  # takes what the first of its neighbours takes, and is added to what the last one gives
    parts: tuple[Part, ...] = ()


class TrainingFailed(Exception):
    """A training that knows why it failed: in one word, and in one line. `place` is equal for failures at the same place."""

    def __init__(
        self, reason: Literal["exit", "timeout", "output", "oom", "disk", "killed"], message: str, place: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.place = place or f"{reason}: {message}"


class Training(Protocol):
    """One run in memory. What is not abstract has a default, and may be left out."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the last epoch has been trained."""

    @abstractmethod
    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None] | None:
        """Train to the end of the current epoch and return its row; None when `should_stop` ended it in between.

        The row has at least `epoch` (from 1), `step` (cumulative) and `seconds`, and the declared metrics that the configuration
        measures; None stands for "not measured this time", a non-finite value of a declared metric ends the run as diverged.
        After None, `state_dict` holds the place inside the epoch, and `advance` called again on the same object goes on from it:
        that is how a checkpoint is taken inside an epoch.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on with the same bits: plain dicts, lists, tensors, numbers, strings."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""

    @abstractmethod
    def predictions(self) -> Mapping[str, Any] | None:
        """Arrays to keep beside the result, such as `probabilities` [image, class] float16 and `labels` [image]; or None."""

    @property
    def choices(self) -> Mapping[str, bool] | None:
        """In which of several ways it is carried out, which may round differently, by name; resumed, it keeps to its own."""
        return None

    def last_words(self) -> Sequence[Mapping[str, Number | None]]:
        """Of a run that resumes from files of its own: end it; the rows that came until then, which those files know of.

        Called on a stop, where the run goes on later, before it is saved and closed.
        """
        return ()

    def close(self) -> None:
        """Let go of what it holds, such as a process. Called once when it ends or is left, however that comes."""
        return


class Task(Protocol):
    """Something that can be trained under a configuration and a seed. What is not abstract has a default, and may be left out.

    `Config` is the pydantic model of the configuration: frozen, extra="forbid", every field with a default. `version` is part of
    every run id; it changes only when old bits are no longer comparable. `metrics` is what a row and a result measure; the first
    is the default of claims.
    """

    Config: type[BaseModel]
    version: str
    metrics: Mapping[str, Metric]

    @abstractmethod
    def resolve(self, config: Any, accelerator: Accelerator) -> BaseModel:
        """The configuration with every `auto` replaced by what it means on `accelerator`; called before ids are made."""

    @abstractmethod
    def fingerprint(self, config: Any) -> str:
        """Identifies the data without decoding it. Raises DataError where the data are missing."""

    @abstractmethod
    def describe(self, config: Any) -> Mapping[str, Number]:
        """Facts of the configuration, such as `parameters`; may take seconds (imports, a network on the meta device)."""

    @abstractmethod
    def start(self, config: Any, seed: int, device: str) -> Training:
        """A fresh run. `device` is `cpu` or `cuda`. Raises DataError, DeviceError."""

    def outline(self, config: Any) -> Sequence[Part]:  # noqa: ARG002 - there is nothing to tell
        """The network's parts in the order of the flow, the input first, for reports to draw. Raises DataError: data missing."""
        return ()

    @property
    def has_outline(self) -> bool:
        """Whether the task tells what a configuration's network is made of."""
        return type(self).outline is not Task.outline

    def start_in(self, config: Any, seed: int, device: str, folder: Path) -> Training:  # noqa: ARG002 - it keeps none
        """`start`, with the folder for files of the run's own; it is there, and empty unless the run goes on.

        A task that has this method goes on from these files, not bit by bit unless it sees to that itself: the training's
        `load_state_dict` gets `{"rows": …}`, all rows that are known, as its own files may be ahead of what `state_dict` said
        last. Rows that it will give again it takes out of that list; none may be missing that its files are ahead of: see
        `Training.last_words`.
        """
        return self.start(config, seed, device)

    @property
    def keeps_files(self) -> bool:
        """Whether runs keep files of their own, from which they go on in place of a state."""
        return type(self).start_in is not Task.start_in

    @property
    def resumes(self) -> bool:
        """Whether a run ever goes on; else each start is afresh, and no checkpoint is kept."""
        return True

    def goes_on(self, folder: Path) -> bool:  # noqa: ARG002 - it keeps no files
        """Whether a run started in this folder would go on from what is in it."""
        return False

    @property
    def code_folder(self) -> Path | None:
        """Where the code lies that it trains with, if that is not its own module's."""
        return None


MEMBERS = ("Config", "version", "metrics", "resolve", "fingerprint", "describe", "start")  # what no task may leave out


def with_defaults(found: Any, base: type) -> Any:
    """`found`, a task or a training, whose class gets the defaults of `base` that it lacks: it need not be derived from it."""
    for name, default in vars(base).items():
        optional = not name.startswith("_") and not getattr(default, "__isabstractmethod__", False)
        if optional and not hasattr(found, name):
            setattr(type(found), name, default)
    return found


# Numbers that result.json adds to a task's own metrics; claims and figures may use them too.
RESULT_METRICS: Mapping[str, Metric] = {
    "parameters": Metric("", "minimize", exact=True),
    "train_seconds": Metric("s", "minimize"),
    "samples_per_second": Metric("samples/s", "maximize"),
    "peak_memory_bytes": Metric("B", "minimize"),
}


def result_metrics(task: Task) -> dict[str, Metric]:
    """Every metric a claim may name: the task's own (the first is the default), its fluctuation, and `RESULT_METRICS`."""
    first, metric = next(iter(task.metrics.items()))
    fluctuation = {f"{first}_fluctuation": Metric(metric.unit, "minimize", split=metric.split)}
    return {**task.metrics, **fluctuation, **RESULT_METRICS}


def selection_metric(task: Task) -> str | None:
    """By what searches and tuning choose unless they say otherwise: the first metric of a validation split, else of no split."""
    for split in ("validation", None):
        if found := next((name for name, metric in task.metrics.items() if metric.split == split), None):
            return found
    return None


def parse_config(task: Task, values: Mapping[str, Any]) -> BaseModel:
    """A configuration read back from JSON (a plan, a spec), validated; lists stand for tuples there."""
    return task.Config.model_validate_json(json.dumps(values))


def identity(config: BaseModel) -> dict[str, Any]:
    """The configuration as it enters a run id: JSON values, defaults written out, without locations and neutral keys."""
    dumped = config.model_dump(mode="json")
    found = {}
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        neutral = any(isinstance(mark, Neutral) and mark.value == value for mark in info.metadata)
        if neutral or _is_location(info):
            continue
        found[name] = identity(value) if isinstance(value, BaseModel) else _unsigned_zeros(dumped[name])
    return found


def places(config: BaseModel) -> dict[str, Any]:
    """The values of the fields marked `Location`, by dotted path."""
    found = {}
    for path in location_paths(type(config)):
        value: Any = config
        for part in path.split("."):
            value = getattr(value, part)
        found[path] = value
    return found


def _unsigned_zeros(value: Any) -> Any:
    """JSON values with 0.0 for -0.0: they are equal, and so must their texts be."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, list):
        return [_unsigned_zeros(item) for item in value]
    return {key: _unsigned_zeros(item) for key, item in value.items()} if isinstance(value, dict) else value


def location_paths(model: type[BaseModel], above: str = "") -> frozenset[str]:
    """The dotted paths of the fields marked `Location`."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        if _is_location(info):
            found.add(above + name)
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found |= location_paths(info.annotation, f"{above}{name}.")
    return frozenset(found)


def _is_location(info: FieldInfo) -> bool:
    return any(isinstance(mark, Location) for mark in info.metadata)


def cache_folder() -> Path:
    """Where tasks keep what can be rebuilt (decoded data, fingerprints): `$HARNESS_CACHE`, else `results/cache`."""
    return Path(os.environ.get("HARNESS_CACHE", "results/cache"))
