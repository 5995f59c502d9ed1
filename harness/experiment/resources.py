"""What the runs of a plan or the trials of a search need of a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Demand:
    """The variants whose runs need the same, and how many runs that is; of a search its trials, and no variants."""

    needs: Resources
    variants: tuple[str, ...]
    runs: int


def demands(plan: Plan, counts: Mapping[str, int]) -> tuple[Demand, ...]:
    """Numbers of runs by variant -> by what they need, in the order of the variants; also those of which there are none."""
    labels: dict[Resources, list[str]] = {}
    for label, needs in needed(plan).items():
        labels.setdefault(needs, []).append(label)
    return tuple(Demand(needs, tuple(of), sum(counts.get(label, 0) for label in of)) for needs, of in labels.items())


def together(parts: Iterable[Demand]) -> tuple[Demand, ...]:
    """Demands of several plans with the same needs as one."""
    found: dict[Resources, Demand] = {}
    for part in parts:
        known = found.get(part.needs, Demand(part.needs, (), 0))
        labels = tuple(dict.fromkeys((*known.variants, *part.variants)))
        found[part.needs] = Demand(part.needs, labels, known.runs + part.runs)
    return tuple(found.values())
