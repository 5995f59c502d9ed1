"""The plan on disk, the plan asked for -> the one to go on with."""

from __future__ import annotations

import json

from harness.common.nested import config_difference
from harness.errors import PlanChanged
from harness.experiment.plan import Plan, PlannedRun, Registration, task_of
from harness.tasks.protocol import location_paths


def reconcile(stored: Plan, asked: Plan) -> Plan:
    """The plan to go on with when runs of one of the same name exist: that one, longer where more seeds are asked for.

    Changed variants, configuration, data or accelerator raise PlanChanged with the difference. What was registered (claims,
    looks, margin, alpha, baseline) stays; `amended` says what the file has now, where that differs. Runs beyond the registered
    last look carry no look.
    """
    differences = _differences(stored, asked)
    if differences:
        lines = "\n".join(f"  {line}" for line in differences)
        raise PlanChanged(
            f"{asked.name} was planned differently on {stored.created[:10] or 'an earlier day'}:\n{lines}\n"
            "allowed: undo the change, give the experiment another name, or --replan (archives the old plan; its runs stay)"
        )
    known = {run.id for run in stored.runs}
    extra = [PlannedRun(id=run.id, variant=run.variant, seed=run.seed) for run in asked.runs if run.id not in known]
    # What follows has its own registration.
    taken = ("question", "source", "variants", "file", "program", "folder", "selection", "chosen")
    current = {name: getattr(asked, name) for name in taken}
    # A file that names its factors only now may claim something of them; equal labels have equal levels.
    design = {
        "factors": {**asked.factors, **stored.factors},
        "levels": {label: {**asked.levels[label], **own} for label, own in stored.levels.items()},
    }
    now = registration(asked)
    amended = None if now.claims_digest == stored.claims_digest else now
    return Plan.model_validate({**dict(stored), **current, **design, "runs": (*stored.runs, *extra), "amended": amended})


def registration(plan: Plan) -> Registration:
    """What the plan has registered."""
    return Registration(**{name: getattr(plan, name) for name in Registration.model_fields})


def _differences(stored: Plan, asked: Plan) -> list[str]:
    lines = []
    for name, old, new in (
        ("task", f"{stored.task} {stored.task_version}", f"{asked.task} {asked.task_version}"),
        ("accelerator", stored.accelerator, asked.accelerator),
    ):
        if old != new:
            lines.append(f"{name}: {old} -> {new}")
    lines += _program_differences(stored, asked)
    lines += [f"variant {label!r} is gone" for label in stored.variants if label not in asked.variants]
    lines += [f"variant {label!r} is new" for label in asked.variants if label not in stored.variants]
    first_ids = {run.variant: run.id for run in stored.runs if run.seed < stored.after(1)}
    locations = location_paths(task_of(asked).Config)
    for run in asked.runs:
        label = run.variant
        if run.seed >= asked.after(1) or first_ids.get(label, run.id) == run.id:
            continue
        changed = config_difference(stored.variants[label], asked.variants[label])
        for path, (old, new) in changed.items():
            if path not in locations:
                lines.append(f"variant {label!r}: {path}: {json.dumps(old)} -> {json.dumps(new)}")
        if stored.data[label] != asked.data[label]:
            lines.append(f"variant {label!r}: data: {stored.data[label]} -> {asked.data[label]}")
    # Differences that are none by value, or that only the task knows of, still make other runs.
    changed_ids = any(first_ids.get(run.variant, run.id) != run.id for run in asked.runs if run.seed < asked.after(1))
    return lines or (["the runs would get other ids"] if changed_ids else [])


def _program_differences(stored: Plan, asked: Plan) -> list[str]:
    if stored.program is None or asked.program is None:
        return []
    changed = config_difference(stored.program.definition, asked.program.definition)
    return [f"task.{path}: {json.dumps(old)} -> {json.dumps(new)}" for path, (old, new) in changed.items()]
