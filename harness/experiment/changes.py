"""A plan or a search on disk, the one asked for now -> the one to go on with, or what has changed. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.common.nested import config_difference
from harness.errors import PlanChanged
from harness.experiment import plan as plans
from harness.experiment import study as studies
from harness.experiment.plan import Asked, Plan, PlannedRun, Registration
from harness.experiment.study import Study
from harness.tasks.protocol import location_paths

# Beside its base and its space, what decides which trials there are: a search that has begun keeps it.
FIXED = ("data", "seeds", "objectives", "constraints", "sampler", "pruner", "prune_after")


def reconcile(stored: Plan, asked: Plan) -> Plan:
    """The plan to go on with when runs of one of the same name exist: that one, longer where more seeds are asked for.

    Changed variants, configuration, data or accelerator raise PlanChanged with the difference. What was registered (claims,
    looks, margin, alpha, baseline) stays; `amended` says what the file has now, where that differs. Runs beyond the registered
    last look carry no look.
    """
    if lines := _plan_differences(stored, asked):
        raise _changed(f"{asked.name} was planned differently on {_day(stored)}:", lines, "experiment", "plan")
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


def reconcile_study(stored: Study, asked: Study) -> Study:
    """The search to go on with when one of the same name exists: that one, with the new target and words.

    Changes of what decides the trials raise PlanChanged with the difference.
    """
    if lines := _study_differences(stored, asked):
        raise _changed(f"{asked.name} was searched differently from {_day(stored)} on:", lines, "search", "study")
    return Study.model_validate({**dict(asked), "created": stored.created, "first": stored.first})


def _changed(how: str, lines: list[str], what: str, archived: str) -> PlanChanged:
    told = "\n".join(f"  {line}" for line in lines)
    return PlanChanged(
        f"{how}\n{told}\n"
        f"allowed: undo the change, give the {what} another name, or --replan (archives the old {archived}; its runs stay)"
    )


def _day(stored: Asked) -> str:
    return stored.created[:10] or "an earlier day"


def _shared_differences(stored: Asked, asked: Asked) -> list[str]:
    """Those of what plans and searches have alike: the task, the program, the accelerator."""
    lines = [
        f"{name}: {old} -> {new}"
        for name, old, new in (
            ("task", f"{stored.task} {stored.task_version}", f"{asked.task} {asked.task_version}"),
            ("accelerator", stored.accelerator, asked.accelerator),
        )
        if old != new
    ]
    if stored.program is not None and asked.program is not None:
        lines += _config_differences("task.", stored.program.definition, asked.program.definition)
    return lines


def _config_differences(
    above: str, stored: Mapping[str, Any], asked: Mapping[str, Any], apart_from: frozenset[str] = frozenset()
) -> list[str]:
    changed = config_difference(stored, asked)
    return [
        f"{above}{path}: {json.dumps(old)} -> {json.dumps(new)}" for path, (old, new) in changed.items() if path not in apart_from
    ]


def _plan_differences(stored: Plan, asked: Plan) -> list[str]:
    lines = _shared_differences(stored, asked)
    lines += [f"variant {label!r} is gone" for label in stored.variants if label not in asked.variants]
    lines += [f"variant {label!r} is new" for label in asked.variants if label not in stored.variants]
    first_ids = {run.variant: run.id for run in stored.runs if run.seed < stored.after(1)}
    locations = location_paths(plans.task_of(asked).Config)
    for run in asked.runs:
        label = run.variant
        if run.seed >= asked.after(1) or first_ids.get(label, run.id) == run.id:
            continue
        lines += _config_differences(f"variant {label!r}: ", stored.variants[label], asked.variants[label], locations)
        if stored.data[label] != asked.data[label]:
            lines.append(f"variant {label!r}: data: {stored.data[label]} -> {asked.data[label]}")
    # Differences that are none by value, or that only the task knows of, still make other runs.
    changed_ids = any(first_ids.get(run.variant, run.id) != run.id for run in asked.runs if run.seed < asked.after(1))
    return lines or (["the runs would get other ids"] if changed_ids else [])


def _study_differences(stored: Study, asked: Study) -> list[str]:
    old, new = stored.model_dump(mode="json"), asked.model_dump(mode="json")
    lines = _shared_differences(stored, asked)
    lines += [f"{name}: {json.dumps(old[name])} -> {json.dumps(new[name])}" for name in FIXED if old[name] != new[name]]
    lines += _config_differences("config.", stored.base, asked.base, location_paths(studies.task_of(asked).Config))
    before = {one["name"]: one for one in old["space"]}
    after = {one["name"]: one for one in new["space"]}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            lines.append(f"space.{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}")
    return lines


def _shown(parameter: dict[str, object] | None) -> str:
    if parameter is None:
        return "not there"
    return json.dumps({key: value for key, value in parameter.items() if key != "name" and value not in (None, False, {})})
