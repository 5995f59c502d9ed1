"""What the runs of a plan or the trials of a search need of a machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.tasks.command.model import Program
from harness.tasks.resources import NOTHING, Resources, largest


def needed(work: Plan | Study) -> Mapping[str, Resources]:
    """Label of a variant -> what a worker needs that trains its runs and their steps; a search has one entry, named ''."""
    if isinstance(work, Study):
        return {"": with_steps(work.resources, work.program)}
    return {label: with_steps(work.resources.get(label, NOTHING), work.program) for label in work.variants}


def of_variant(plan: Plan, label: str) -> Resources:
    """What the runs of a variant request. Where others of the plan request GPUs, and workers have several, it is at least one."""
    own = plan.resources.get(label, NOTHING)
    steps = plan.program.steps.values() if plan.program is not None else ()
    every = (*plan.resources.values(), *(step.resources for step in steps))
    if own.gpus is not None or all(each.gpus is None for each in every):
        return own
    return own.over(Resources(gpus=1))


def with_steps(own: Resources, program: Program | None) -> Resources:
    """`own`, or more where a step of the program requests more. What a step requests itself replaces `own` for that step."""
    steps = program.steps.values() if program is not None else ()
    return largest([step.resources.over(own) for step in steps] or [own])
