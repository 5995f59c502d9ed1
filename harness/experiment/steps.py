"""Steps of runs: a run of a plan -> the runs that it needs first, with their ids. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from harness.errors import InputError
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.experiment.run_id import Spec, run_id
from harness.tasks.identity import identity
from harness.tasks.protocol import Task, parse_config
from harness.tasks.resources import NOTHING, Resources


@dataclass(frozen=True)
class StepRun:
    """A step with one setting and seed: a run of its own. `needs`: names of earlier steps of the same run."""

    name: str
    id: str
    task: Task
    config: BaseModel
    spec: Spec
    needs: tuple[str, ...]
    resources: Resources = NOTHING  # what it requests itself


@dataclass(frozen=True)
class SharedStep:
    """A step of a plan with one setting and seed, and the planned runs that need it."""

    run: StepRun
    needed_by: tuple[PlannedRun, ...]


def step_runs(task: Task, config: BaseModel, seed: int, data: str) -> tuple[StepRun, ...]:
    """The steps that a run needs, each after those that it needs itself. Raises InputError if `data` is damaged."""
    found = []
    for each in task.prerequisites(config, data):
        own = identity(each.config)
        spec = Spec(task=each.task_name, version=each.task.version, config=own, seed=seed, data=each.data, program=each.program)
        number = run_id(spec.task, spec.version, spec.config, spec.seed, spec.data)
        found.append(StepRun(each.name, number, each.task, each.config, spec, each.needs, each.resources))
    return tuple(found)


def plan_steps(plan: Plan, task: Task | None = None, runs: Sequence[PlannedRun] | None = None) -> dict[str, SharedStep]:
    """Run id -> each step of the plan's `runs` (default: all), in the order of the plan; empty if the task has none.

    Raises InputError if the task cannot be loaded, ValueError if it rejects a configuration.
    """
    task = task or task_of(plan)
    if not task.has_prerequisites:
        return {}
    configs = {label: parse_config(task, config) for label, config in plan.variants.items()}
    found: dict[str, tuple[StepRun, list[PlannedRun]]] = {}
    for run in plan.runs if runs is None else runs:
        for step in step_runs(task, configs[run.variant], run.seed, plan.data[run.variant]):
            found.setdefault(step.id, (step, []))[1].append(run)
    return {one: SharedStep(step, tuple(runs)) for one, (step, runs) in found.items()}


def known_steps(plan: Plan, *, of_programs: bool = False) -> dict[str, SharedStep]:
    """`plan_steps`; empty if they cannot be computed here: without the task's code, or for a damaged plan.

    `of_programs`: only those of programs, for callers that must not import a task's module.
    """
    if plan.program is None and of_programs:
        return {}
    try:
        return plan_steps(plan)
    except (InputError, ValueError):
        return {}


def by_name(steps: Mapping[str, SharedStep]) -> dict[str, Sequence[SharedStep]]:
    """The steps of a plan grouped by name."""
    found: dict[str, list[SharedStep]] = {}
    for step in steps.values():
        found.setdefault(step.run.name, []).append(step)
    return dict(found)
