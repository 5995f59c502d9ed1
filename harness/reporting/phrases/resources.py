"""What runs need of a machine, in words."""

from __future__ import annotations

from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.phrases.numbers import listed, plural
from harness.tasks.resources import NOTHING, Resources


def resources(requested: Resources) -> str:
    """`2 nodes, each with 4 GPUs, 8 processors and 64G of memory`; empty if nothing is requested."""
    each = [plural(requested.gpus, "GPU")] if requested.gpus is not None else []
    each += [plural(requested.cpus, "processor")] if requested.cpus is not None else []
    each += [f"{requested.memory} of memory"] if requested.memory is not None else []
    if requested.nodes is None or requested.nodes == 1:
        return listed(each) or ("1 node" if requested.nodes else "")
    return f"{requested.nodes:,d} nodes{f', each with {listed(each)}' if each else ''}"


def needs(work: Plan | Study) -> str:
    """What each run of a plan or a search needs, by variant where that differs, and its steps; empty if nothing is requested."""
    own = (
        {"": work.resources}
        if isinstance(work, Study)
        else {label: work.resources.get(label, NOTHING) for label in work.variants}
    )
    groups: dict[Resources, list[str]] = {}
    for label, requested in own.items():
        groups.setdefault(requested, []).append(label)
    if len(groups) == 1:
        (each,) = groups
        parts = [f"each run: {resources(each)}"] if each != NOTHING else []
    else:
        parts = [f"{', '.join(labels)}: {resources(each) or 'nothing requested'}" for each, labels in groups.items()]
    steps = work.program.steps if work.program is not None else {}
    parts += [f"step {name}: {resources(step.resources)}" for name, step in steps.items() if step.resources != NOTHING]
    if parts and work.accelerator == "cpu" and "GPU" in "".join(parts):
        parts.append("on the CPU no GPU is taken")
    return "; ".join(parts)
