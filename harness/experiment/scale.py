"""Experiment that states `scale_of` -> Scale: how much smaller it is than that experiment. Pure but for facts of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import DataError, InputError
from harness.experiment.model import Experiment
from harness.tasks.protocol import Task, Workload, parse_config


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
    full = experiment.scaled
    if full is None:
        return None
    own = {variant.label: _workload(experiment, variant.label) for variant in experiment.variants}
    try:
        large = _workload(full, full.baseline)
    except DataError as error:
        raise DataError(f"{experiment.path}: scale_of names {full.path}, whose size is not known: {error}") from error
    compute = own[experiment.baseline].multiply_adds / large.multiply_adds
    return Scale(of=full.stem, compute=compute, what=large.what, **_ranges(own.values()))


def rescaled(
    known: Scale | None, task: Task, before: Mapping[str, Any], configs: Mapping[str, BaseModel], baseline: str
) -> Scale | None:
    """The scale of a plan whose variants were chosen.

    `known`: before that, when the baseline had the configuration `before`; it stays without the data.
    """
    if known is None:
        return None
    try:
        first, own = (
            task.workload(parse_config(task, before)),
            {label: task.workload(config) for label, config in configs.items()},
        )
    except DataError:
        return known
    sizes = {label: found for label, found in own.items() if found is not None}
    if first is None or len(sizes) < len(own):
        return known
    compute = known.compute * sizes[baseline].multiply_adds / first.multiply_adds
    return Scale(of=known.of, compute=compute, what=known.what, **_ranges(sizes.values()))


def _ranges(workloads: Iterable[Workload]) -> dict[str, Any]:
    """Least and largest number of cases and of parameters."""
    cases, parameters = zip(*((each.cases, each.parameters) for each in workloads), strict=True)
    return {"cases": (min(cases), max(cases)), "parameters": (min(parameters), max(parameters))}


def _workload(experiment: Experiment, label: str) -> Workload:
    config = next(variant.config for variant in experiment.variants if variant.label == label)
    found = experiment.task.workload(config)
    if found is None or found.multiply_adds <= 0:
        what = "no workload" if found is None else f"a workload of {found.multiply_adds} multiply-adds"
        name = f"{experiment.path}: the task {experiment.task_name} states {what} for {label}"
        raise InputError(f"{name}; remove scale_of, or correct the task's workload")
    return found
