"""Experiment that states `scale_of` -> Scale: how much smaller it is than that experiment. Pure but for facts of the data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError
from harness.experiment.model import Experiment
from harness.tasks.protocol import Task, Workload


class Scale(BaseModel):
    """The size of a small version of an experiment; least and largest values are those over its variants."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: str  # the name of the large experiment
    compute: float = Field(gt=0)  # multiply-adds of a run of the baseline, as a share of the large one's
    cases: tuple[int, int]  # training cases
    what: str  # cases are
    parameters: tuple[int, int]  # of the networks


def scale(experiment: Experiment) -> Scale | None:
    """None for an experiment that is not a small version of another one.

    Raises DataError if data is missing, InputError if the task states no workload.
    """
    if experiment.scaled is None:
        return None
    own = {variant.label: _workload(experiment, variant.label) for variant in experiment.variants}
    large = _workload(experiment.scaled, experiment.scaled.baseline)
    cases = sorted(each.cases for each in own.values())
    parameters = sorted(each.parameters for each in own.values())
    return Scale(
        of=experiment.scaled.stem,
        compute=own[experiment.baseline].multiply_adds / large.multiply_adds,
        cases=(cases[0], cases[-1]),
        what=large.what,
        parameters=(parameters[0], parameters[-1]),
    )


def rescaled(known: Scale | None, task: Task, before: BaseModel, configs: Mapping[str, BaseModel], baseline: str) -> Scale | None:
    """The scale of a plan whose variants were chosen: `known` is that of the baseline `before`. Raises DataError."""
    if known is None:
        return None
    own, first = {label: task.workload(config) for label, config in configs.items()}, task.workload(before)
    sizes = [each for each in own.values() if each is not None]
    of_baseline = own[baseline]
    if first is None or of_baseline is None or len(sizes) < len(own):
        return known
    cases, parameters = sorted(each.cases for each in sizes), sorted(each.parameters for each in sizes)
    fields = {
        "compute": known.compute * of_baseline.multiply_adds / first.multiply_adds,
        "cases": (cases[0], cases[-1]),
        "parameters": (parameters[0], parameters[-1]),
    }
    return Scale.model_validate({**dict(known), **fields})


def _workload(experiment: Experiment, label: str) -> Workload:
    config = next(variant.config for variant in experiment.variants if variant.label == label)
    found = experiment.task.workload(config)
    if found is None or found.multiply_adds <= 0:
        what = "no workload" if found is None else f"a workload of {found.multiply_adds} multiply-adds"
        name = f"{experiment.path}: the task {experiment.task_name} states {what} for {label}"
        raise InputError(f"{name}; remove scale_of, or correct the task's workload")
    return found
