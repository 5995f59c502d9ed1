"""Reconciles a requested plan or study with the stored one of the same name, or lists the differences. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from harness.common.nested import config_difference
from harness.errors import PlanChanged
from harness.experiment import plan as plans
from harness.experiment import study as studies
from harness.experiment.plan import Plan, PlannedRun, Registration
from harness.experiment.plan_base import PlanBase
from harness.experiment.study import Study
from harness.tasks.command.code.version import CODE, CodeVersion
from harness.tasks.command.steps import differences
from harness.tasks.identity import location_paths

# With the base and the space these decide the trials: they cannot change once a search has started.
FIXED = ("data", "seeds", "objectives", "constraints", "sampler", "pruner", "prune_after")


def reconcile(stored: Plan, requested: Plan, lost: Collection[str] = ()) -> Plan:
    """The stored plan, extended if more seeds are requested.

    Changed variants, configuration, data or accelerator raise PlanChanged with the differences. The registration (claims, looks,
    margin, alpha, baseline) stays, and so do the results known when it was written; `amended` is the current one of the file, if
    it differs, since it was first seen. Runs beyond the registered last look have look None. `lost`: commits that cannot be
    checked out any more; the requested ones, of equal inputs, replace them.
    """
    if lines := _plan_differences(stored, requested):
        raise _changed(
            f"{requested.name} differs from the plan of {_day(stored)}:",
            lines,
            "experiment",
            "plan",
            plan=requested,
            stored=stored,
        )
    requested = _with_planned_commits(stored, requested, lost)
    known = {run.id for run in stored.runs}
    extra = [PlannedRun(id=run.id, variant=run.variant, seed=run.seed) for run in requested.runs if run.id not in known]
    runs = (*stored.runs, *extra)
    # Of the two lists one begins with the other.
    listed = requested.listed_seeds if len(_seeds(requested)) > len(_seeds(stored)) else stored.listed_seeds
    # The next stage has its own registration.
    taken = (
        "question",
        "source",
        "tags",
        "variants",
        "resources",
        "file",
        "program",
        "folder",
        "selection",
        "chosen",
        "code",
        "scale",
    )
    current = {name: getattr(requested, name) for name in taken}
    # Factors that were added to the file later may be used in claims; equal labels have equal levels.
    design = {
        "factors": {**requested.factors, **stored.factors},
        "levels": {label: {**requested.levels[label], **own} for label, own in stored.levels.items()},
    }
    now = registration(requested)
    if stored.amended is not None and stored.amended.claims_digest == now.claims_digest:
        now = stored.amended  # with what was known when it was written
    amended = None if now.claims_digest == stored.claims_digest else now
    return Plan.model_validate({**dict(stored), **current, **design, "runs": runs, "listed_seeds": listed, "amended": amended})


def is_unchanged(stored: Plan, requested: Plan) -> bool:
    """Whether the requested plan trains and claims what the stored one does, from the same commits."""
    same = stored.runs == requested.runs and stored.claims_digest == requested.claims_digest
    return same and not _plan_differences(stored, requested) and not moved(stored, requested)


def moved(stored: Plan, requested: Plan) -> dict[str, tuple[CodeVersion, CodeVersion]]:
    """The variants whose version is another commit now: label -> both versions."""
    both = {label: (stored.code[label], now) for label, now in requested.code.items() if label in stored.code}
    return {label: (old, now) for label, (old, now) in both.items() if old.commit != now.commit}


def _with_planned_commits(stored: Plan, requested: Plan, lost: Collection[str]) -> Plan:
    """`requested` with the commits of the stored plan: a branch that moved to equal inputs gives no variant two commits, unless
    the planned one is lost.
    """
    unmoved = {label: old for label, (old, _) in moved(stored, requested).items() if old.commit not in lost}
    if not unmoved:
        return requested
    variants = {
        label: {**config, CODE: unmoved[label].commit} if label in unmoved else config
        for label, config in requested.variants.items()
    }
    kept = {label: old for label, old in stored.code.items() if old.commit not in lost}
    return Plan.model_validate({**dict(requested), "variants": variants, "code": {**requested.code, **kept}})


def registration(plan: Plan) -> Registration:
    """The claims of a plan, how they are judged, and what was known when they were written."""
    own = {name: getattr(plan, name) for name in Registration.model_fields if name != "at"}
    return Registration(**own, at=plan.created)


def reconcile_study(stored: Study, requested: Study) -> Study:
    """The stored study with the new target and texts. Changes that affect trials raise PlanChanged with the differences."""
    if lines := _study_differences(stored, requested):
        raise _changed(f"{requested.name} differs from the search started on {_day(stored)}:", lines, "search", "study")
    return Study.model_validate({**dict(requested), "created": stored.created, "first": stored.first})


def _changed(
    how: str, lines: list[str], what: str, archived: str, *, plan: Plan | None = None, stored: Plan | None = None
) -> PlanChanged:
    differences = "\n".join(f"  {line}" for line in lines)
    # The first line is about the version, which every change makes another.
    measuring = plan is not None and len(lines) > 1 and all(line.startswith("task.metrics.") for line in lines[1:])
    again = (
        f"\nto read the logs of finished runs again instead of training: harness reread {plan.experiment}"
        if plan and measuring
        else ""
    )
    versions = moved(stored, plan) if stored and plan else {}
    if versions:
        label, (old, _) = next(iter(versions.items()))
        again += (
            f"\nto continue with the planned version, write its commit: {label}: {{code: {old.commit[:12]}}}; with --replan "
            "the new one is compared, and finished runs of equal code are not trained again"
        )
    return PlanChanged(
        f"{how}\n{differences}\n"
        f"undo the change, rename the {what}, or use --replan (archives the old {archived}; its runs are kept){again}"
    )


def _day(stored: PlanBase) -> str:
    return stored.created[:10] or "an earlier day"


def _shared_differences(stored: PlanBase, requested: PlanBase) -> list[str]:
    """Differences of what plans and studies share: task, program, accelerator, and what a profile is."""
    lines = [
        f"{name}: {old} -> {new}"
        for name, old, new in (
            ("task", f"{stored.task} {stored.task_version}", f"{requested.task} {requested.task_version}"),
            ("accelerator", stored.accelerator, requested.accelerator),
            (f"profile {requested.profile}", _standing(stored), _standing(requested)),
        )
        if old != new
    ]
    if stored.program is not None and requested.program is not None:
        lines += _config_differences("task.", stored.program.definition, requested.program.definition)
    return lines


def _standing(plan: PlanBase) -> str:
    """Whether the results count; what was a rehearsal is not made evidence once its results are known."""
    return "evidence" if plan.evidence else "a rehearsal"


def _config_differences(
    above: str, stored: Mapping[str, Any], requested: Mapping[str, Any], apart_from: frozenset[str] = frozenset()
) -> list[str]:
    changed = config_difference(stored, requested)
    return [
        f"{above}{path}: {json.dumps(old)} -> {json.dumps(new)}" for path, (old, new) in changed.items() if path not in apart_from
    ]


def _plan_differences(stored: Plan, requested: Plan) -> list[str]:
    lines = _shared_differences(stored, requested)
    lines += [f"variant {label!r} was removed" for label in stored.variants if label not in requested.variants]
    lines += [f"variant {label!r} was added" for label in requested.variants if label not in stored.variants]
    if line := _seed_difference(stored, requested):
        lines.append(line)
    first_ids = {run.variant: run.id for run in _first_runs(stored)}
    first_runs = _first_runs(requested)
    locations, versions = location_paths(plans.task_of(requested).Config), moved(stored, requested)
    for run in first_runs:
        label = run.variant
        if first_ids.get(label, run.id) == run.id:
            continue
        if label in versions:
            old, now = versions[label]
            lines.append(f"variant {label!r}: code: {old.ref} was {old.commit[:12]}, {now.ref} is {now.commit[:12]}")
        lines += _config_differences(f"variant {label!r}: ", stored.variants[label], requested.variants[label], locations)
        if stored.data[label] != requested.data[label]:
            lines.append(f"variant {label!r}: {_data_difference(stored, stored.data[label], requested.data[label])}")
    # A change of the id that no value shows, such as one of the version.
    changed_ids = any(first_ids.get(run.variant, run.id) != run.id for run in first_runs)
    return lines or (["the run ids changed"] if changed_ids else [])


def _data_difference(stored: PlanBase, old: str, new: str) -> str:
    inputs = "" if stored.program is None else differences(stored.program, old, new)
    return f"inputs: {inputs}" if inputs else f"data: {old} -> {new}"


def _seed_difference(stored: Plan, requested: Plan) -> str | None:
    """More or fewer seeds do not count as a difference."""
    old, new = _seeds(stored), _seeds(requested)
    common = min(len(old), len(new))
    if old[:common] == new[:common]:
        return None
    if stored.listed_seeds or requested.listed_seeds:
        return f"seeds: {', '.join(map(str, old))} -> {', '.join(map(str, new))}"
    return f"first seed: {old[0]} -> {new[0]} (seeds: {{first: {old[0]}, ...}} and --first-seed {old[0]} keep it)"


def _first_runs(plan: Plan) -> list[PlannedRun]:
    """A run of each variant."""
    return [run for run in plan.runs if run.seed == plan.runs[0].seed]


def _seeds(plan: Plan) -> list[int]:
    return list(dict.fromkeys(run.seed for run in plan.runs))


def _study_differences(stored: Study, requested: Study) -> list[str]:
    old, new = stored.model_dump(mode="json"), requested.model_dump(mode="json")
    lines = _shared_differences(stored, requested)
    lines += [
        _data_difference(stored, stored.data, requested.data)
        if name == "data"
        else f"{name}: {json.dumps(old[name])} -> {json.dumps(new[name])}"
        for name in FIXED
        if old[name] != new[name]
    ]
    lines += _config_differences("config.", stored.base, requested.base, location_paths(studies.task_of(requested).Config))
    before = {one["name"]: one for one in old["space"]}
    after = {one["name"]: one for one in new["space"]}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            lines.append(f"space.{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}")
    return lines


def _shown(parameter: dict[str, object] | None) -> str:
    if parameter is None:
        return "absent"
    return json.dumps({key: value for key, value in parameter.items() if key != "name" and value not in (None, False, {})})
