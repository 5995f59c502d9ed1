"""What a worker trains, and how: a task with its configuration and the spec of its run, and the options of an attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from harness.experiment.run_id import Spec
from harness.store.provenance import Provenance
from harness.store.records import Result
from harness.tasks.protocol import Task
from harness.tasks.resources import NOTHING, Resources

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LostStep:
    """A step of a run that failed or diverged."""

    name: str
    run_id: str
    result: Result


@dataclass(frozen=True)
class Job:
    """What to train: a task with its full configuration, and the spec that made the run's id."""

    run_id: str
    task: Task
    config: BaseModel
    spec: Spec
    steps: Mapping[str, str] = field(default_factory=dict)  # name -> run id of the steps whose files it uses
    lost: LostStep | None = None  # a step that did not complete: the run gets its outcome, and is not trained
    resources: Resources = NOTHING  # what the variant requests; of what `due` gives, what this run or step requests


@dataclass(frozen=True)
class AttemptOptions:
    """How to train a run. `should_stop` is called after every step; `checkpoint_every_s` None: depends on a checkpoint's cost."""

    device: str = "cpu"
    threads: int | None = None  # None: the libraries' default
    command: Sequence[str] = ()
    keep_weights: bool = False
    checkpoint_every_s: float | None = None
    should_stop: Callable[[], bool] = lambda: False
    should_prune: Callable[[Sequence[Row]], bool] = lambda _: False  # called after every epoch with all rows
    origin: Provenance | None = None  # of the earlier run whose log is read again, instead of this process
