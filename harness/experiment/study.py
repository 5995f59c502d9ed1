"""Experiment with a `search:` -> Study: the content of results/studies/<name>/search.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from harness.errors import InputError
from harness.experiment import Experiment
from harness.experiment.file import TUNING_SEED, Confirm, Limit
from harness.experiment.plan import task_from
from harness.experiment.plan_base import PlanBase, shared_fields
from harness.experiment.run_id import Spec, run_id
from harness.experiment.space import Parameter, Values, active, changes, configure
from harness.tasks.identity import identity
from harness.tasks.protocol import Accelerator, Task, parse_config
from harness.tasks.resources import NOTHING, Resources


class Study(PlanBase):
    """A planned search."""

    base: Mapping[str, Any]  # the full configuration that trials change
    data: str  # fingerprint of the base's data
    resources: Resources = Field(NOTHING, exclude_if=lambda value: value == NOTHING)  # what a run needs
    space: tuple[Parameter, ...]
    objectives: Mapping[str, Literal["minimize", "maximize"]]  # by metric; the first chooses the top trials
    constraints: Mapping[str, Limit] = {}
    sampler: str
    pruner: str
    prune_after: int = 1  # the first epoch at which a trial may be pruned
    trials: int  # in total
    seeds: int  # runs per trial
    budget_s: float | None = None  # total training time after which no trial starts
    first: tuple[Values, ...] = ()
    confirm: Confirm | None = None

    @property
    def metric(self) -> str:
        """The first objective."""
        return next(iter(self.objectives))

    @property
    def trial_seeds(self) -> range:
        """The seeds of every trial; evidence uses lower ones."""
        return range(TUNING_SEED, TUNING_SEED + self.seeds)


def task_of(study: Study) -> Task:
    """The task of the study. Raises InputError if it cannot be loaded."""
    return task_from(study.task, study.program, study.folder, study.data)


def make_study(experiment: Experiment, accelerator: Accelerator = "cpu", trials: int | None = None, created: str = "") -> Study:
    """The study of an experiment; `trials` replaces the declared number.

    Raises InputError if the experiment has no search, DataError.
    """
    search, task = experiment.search, experiment.task
    if search is None:
        how = "harness.run_experiment" if experiment.from_mapping else f"harness run {experiment.path}"
        raise InputError(f"{experiment.path} has no search; start it with: {how}")
    (variant,) = experiment.variants
    base = task.resolve(variant.config, accelerator)
    same = ("space", "objectives", "constraints", "sampler", "pruner", "prune_after", "seeds", "budget_s", "first", "confirm")
    return Study(
        **shared_fields(experiment, accelerator, created),
        **{field: getattr(search, field) for field in same},
        base=base.model_dump(mode="json"),
        data=task.fingerprint(base),
        resources=variant.resources,
        trials=search.trials if trials is None else trials,
    )


def config_of(study: Study, task: Task, values: Values) -> BaseModel:
    """The configuration for `values` of the parameters. Raises InputError if the task rejects it."""
    config = configure(task.Config, study.base, changes(study.space, values))
    return task.resolve(config, study.accelerator)


def spec_of(study: Study, task: Task, config: BaseModel, seed: int) -> tuple[str, Spec]:
    """The id and the spec of the run of `config` with `seed`. Raises DataError if its data is missing."""
    spec = Spec(
        task=study.task,
        version=task.version,
        config=identity(config),
        seed=seed,
        data=task.fingerprint(config),
        program=study.program.definition if study.program else None,
    )
    return run_id(spec.task, spec.version, spec.config, spec.seed, spec.data), spec


def base_of(study: Study, task: Task) -> BaseModel:
    """The configuration that trials change. Raises ValueError if the task no longer accepts it."""
    return parse_config(task, study.base)


def known(study: Study, values: Mapping[str, Any]) -> Values:
    """The values of a trial's active parameters, from a study's storage, in the order of the space."""
    found = {parameter.name: values[parameter.name] for parameter in study.space if parameter.name in values}
    return {parameter.name: found[parameter.name] for parameter in active(study.space, found) if parameter.name in found}
