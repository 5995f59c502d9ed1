"""Store, plan -> what is known of it before it starts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.look_levels import described, levels_for
from harness.analysis.power import Power, power_of
from harness.execution.schedule import asked as asked_of
from harness.execution.stages import following, settle
from harness.experiment.plan import Plan, PlannedRun, task_of
from harness.store.records import Record, Store
from harness.tasks.command.remarks import remarks
from harness.tasks.command.task import command_task
from harness.tasks.protocol import Metric, parse_config, result_metrics


@dataclass(frozen=True)
class Preview:
    """A plan, where its runs stand, and what its design can find."""

    plan: Plan
    metrics: Mapping[str, Metric]  # all that a claim may name
    records: Mapping[str, Record]
    asked: Sequence[PlannedRun]  # the runs that its looks ask for so far
    parameters: Mapping[str, float]  # by variant; empty where the task counts none
    power: Power | None
    levels: str | None  # of the looks, where they were simulated
    command: str | None = None  # of the first run, where a program is trained
    remarks: tuple[str, ...] = ()  # on the program
    follows: Preview | None = None  # of the plan that this one's results lead to; before they do, at the declared settings


def preview(store: Store, plan: Plan) -> Preview:
    """Look ahead; at a plan that chooses, together with the one that follows.

    Levels of looks that do not ship are simulated and kept. Raises StoreError, InputError, DataError.
    """
    task = task_of(plan)
    metrics, levels = result_metrics(task), levels_for(store, plan.looks)
    records = store.records([run.id for run in plan.runs])
    facts = {label: task.describe(parse_config(task, config)) for label, config in plan.variants.items()}
    return Preview(
        plan=plan,
        metrics=metrics,
        records=records,
        asked=asked_of(plan, records, levels),
        parameters={label: found["parameters"] for label, found in facts.items() if "parameters" in found},
        power=power_of(store, plan, metrics, levels),
        levels=described(levels, plan.looks, plan.alpha),
        command=_command(store, plan),
        remarks=tuple(remarks(plan.program, plan.data.values())) if plan.program else (),
        follows=_following(store, plan, records),
    )


def _command(store: Store, plan: Plan) -> str | None:
    if plan.program is None:
        return None
    first, task = plan.runs[0], command_task(plan.program)
    config = task.Config.model_validate(plan.variants[first.variant])
    return shlex.join(task.arguments(config, first.seed, plan.accelerator, store.paths.run(first.id).files))


def _following(store: Store, plan: Plan, records: Mapping[str, Record]) -> Preview | None:
    if plan.selection is None:
        return None
    asked = following(plan, records)
    if asked is not None:
        return preview(store, settle(store, asked)[0])
    selection, task = plan.selection, task_of(plan)
    configs = {label: parse_config(task, config) for label, config in selection.then.variants.items()}
    declared = selection.then.with_runs(configs, range(selection.first_seed, selection.first_seed + selection.seeds))
    ahead = preview(store, declared)
    # Which runs these will be is not known yet.
    pending = {run.id: Record(run.id, "pending") for run in declared.runs}
    return replace(ahead, records=pending, asked=asked_of(declared, pending))
