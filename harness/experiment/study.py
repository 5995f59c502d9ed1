"""An experiment with a `search:` -> its study: what results/studies/<name>/search.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from harness.errors import InputError
from harness.experiment import Experiment
from harness.experiment.file import Confirm, Limit
from harness.experiment.plan import TUNING_SEED, Asked, asked, task_from
from harness.experiment.run_id import Spec, run_id
from harness.experiment.space import Parameter, Values, active, changes, configure
from harness.tasks.protocol import Accelerator, Task, identity, parse_config


class Study(Asked):
    """What a search tries, for what, and how many times; how its winner is confirmed."""

    base: Mapping[str, Any]  # the full configuration that trials change
    data: str  # fingerprint of the base's data
    space: tuple[Parameter, ...]
    objectives: Mapping[str, Literal["minimize", "maximize"]]  # by metric; the first is the one the top is chosen by
    constraints: Mapping[str, Limit] = {}
    sampler: str
    pruner: str
    prune_after: int = 1  # the first epoch at which a trial may be pruned
    trials: int  # a target total
    seeds: int  # runs a trial
    budget_s: float | None = None  # training time of all trials, after which none begins
    first: tuple[Values, ...] = ()
    confirm: Confirm | None = None

    @property
    def metric(self) -> str:
        """The first objective."""
        return next(iter(self.objectives))

    @property
    def trial_seeds(self) -> range:
        """The seeds of every trial's runs: none that evidence uses."""
        return range(TUNING_SEED, TUNING_SEED + self.seeds)


def task_of(study: Study) -> Task:
    """What the study trains. Raises InputError where it cannot be loaded."""
    return task_from(study.task, study.program, study.folder, study.data)


def make_study(experiment: Experiment, accelerator: Accelerator = "cpu", trials: int | None = None, created: str = "") -> Study:
    """The study of an experiment with a search on an accelerator; `trials` takes the place of the declared target.

    Raises InputError where the experiment has no search, DataError.
    """
    search, task = experiment.search, experiment.task
    if search is None:
        raise InputError(f"{experiment.path}: has no search; start it with: harness run {experiment.path}")
    (base,) = (task.resolve(variant.config, accelerator) for variant in experiment.variants)
    same = ("space", "objectives", "constraints", "sampler", "pruner", "prune_after", "seeds", "budget_s", "first", "confirm")
    return Study(
        **asked(experiment, accelerator, created),
        **{field: getattr(search, field) for field in same},
        base=base.model_dump(mode="json"),
        data=task.fingerprint(base),
        trials=search.trials if trials is None else trials,
    )


def config_of(study: Study, task: Task, values: Values) -> BaseModel:
    """The configuration that `values` of the parameters make. Raises InputError where the task refuses them together."""
    config = configure(task.Config, study.base, changes(study.space, values))
    return task.resolve(config, study.accelerator)


def spec_of(study: Study, task: Task, config: BaseModel, seed: int) -> tuple[str, Spec]:
    """The id and the spec of the run of `config` with `seed`. Raises DataError where its data are missing."""
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
    """The configuration that trials change. Raises ValueError where the task no longer takes it."""
    return parse_config(task, study.base)


def known(study: Study, values: Mapping[str, Any]) -> Values:
    """Of what a study's storage holds for a trial, the values of parameters that are there, in the order of the space."""
    found = {parameter.name: values[parameter.name] for parameter in study.space if parameter.name in values}
    return {parameter.name: found[parameter.name] for parameter in active(study.space, found) if parameter.name in found}
