"""A plan whose results choose, and its records -> what was chosen, and the plan that follows.

Tuning and searches come in stages, each a plan of its own on seeds of its own. What follows is a pure function of a plan and the
results of its runs, so that every worker comes to the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.errors import PlanChanged
from harness.experiment.changes import reconcile
from harness.experiment.plan import Chosen, Plan, Selection, task_of
from harness.store.records import Record, Store
from harness.tasks.protocol import identity, parse_config

Records = Mapping[str, Record]


@dataclass(frozen=True)
class ChosenVariant:
    """What one variant of the following plan was chosen from, and what was chosen."""

    variant: str  # of the following plan
    label: str  # of the plan that chose
    means: Mapping[str, float | None]  # label -> mean over the seeds; None: a run diverged, or did not measure it
    settings: Mapping[str, Any]  # dotted path -> the chosen value
    at_edge: tuple[str, ...]  # paths whose chosen value is the least or the largest that was tried: a better one may lie beyond


def choices(plan: Plan, records: Records) -> tuple[ChosenVariant, ...]:
    """What the plan's results choose, one a group; none before every run has ended well enough to tell."""
    selection = plan.selection
    if selection is None or not all(records[run.id].state in ("completed", "diverged") for run in plan.runs):
        return ()
    return tuple(_choice(plan, selection, records, variant, group) for variant, group in selection.groups.items())


def next_plan(plan: Plan, records: Records) -> Plan | None:
    """The plan that the results of `plan` lead to, with its runs.

    None where nothing follows: not yet (a run has not ended, or failed and waits for a retry), or never, as the plan chooses
    nothing, or chose the very thing it was to be compared with. Raises InputError when the task cannot be loaded.
    """
    found = choices(plan, records)
    if plan.selection is None or not found:
        return None
    selection, task = plan.selection, task_of(plan)
    then, chosen = selection.then, {choice.variant: choice.label for choice in found}
    variants = {label: plan.variants[chosen[label]] if label in chosen else config for label, config in then.variants.items()}
    data = {label: plan.data[chosen[label]] if label in chosen else of for label, of in then.data.items()}
    configs = {label: parse_config(task, config) for label, config in variants.items()}
    if len({json.dumps([identity(config), data[label]], sort_keys=True) for label, config in configs.items()}) < len(configs):
        return None
    outline = Plan.model_validate(
        {**dict(then), "variants": variants, "data": data, "chosen": Chosen(plan=plan.name, variants=chosen)}
    )
    return outline.with_runs(configs, range(selection.first_seed, selection.first_seed + selection.seeds))


def resolve_plan(store: Store, requested: Plan, replan: bool = False) -> tuple[Plan, bool]:
    """The plan to go on with where `requested` is wanted, and whether it takes the place of another one, which is to be archived.

    A plan of which nothing has begun is made anew. Raises PlanChanged when runs of another plan of the name have begun and
    `replan` is false, StoreError. A plan on other seeds altogether takes the old one's place.
    """
    stored = store.load_plan(requested.name)
    if stored is None:
        return requested, False
    if replan:
        return requested, True
    if all(store.record(run.id).state == "pending" for run in stored.runs):
        return requested, False
    if not {run.seed for run in stored.runs} & {run.seed for run in requested.runs}:
        return requested, True  # a later confirmation, on fresh seeds: nobody changed a file
    return reconcile(stored, requested), False


def current_next_plan(store: Store, plan: Plan) -> Plan | None:
    """`next_plan` of `plan` as it is written down by now: what is asked of the next plan may have changed since `plan` was read.

    Raises PlanChanged where another plan has taken its place: its results lead to nothing. One that was only made longer is the
    same. Raises InputError, StoreError.
    """
    stored = store.load_plan(plan.name)
    if stored is None or not {run.id for run in plan.runs} <= {run.id for run in stored.runs}:
        raise PlanChanged(f"{plan.name}: was planned anew meanwhile; start this again to take part in the new plan")
    return next_plan(stored, store.records(run.id for run in stored.runs))


def save_resolved_plan(store: Store, requested: Plan, replan: bool = False) -> Plan:
    """`resolve_plan`, and the plan written down."""
    plan, replaces = resolve_plan(store, requested, replan)
    if replaces:
        store.archive_plan(plan.name)
    store.save_plan(plan)
    return plan


def _choice(plan: Plan, selection: Selection, records: Records, variant: str, group: Sequence[str]) -> ChosenVariant:
    means = {label: _mean(plan, records, label, selection.metric) for label in group}
    sign = 1.0 if selection.goal == "maximize" else -1.0
    # The first of equals, and the first of all where none got through: what was declared first.
    best = max(group, key=lambda label: -math.inf if (mean := means[label]) is None else sign * mean)
    settings = selection.settings.get(best, {})
    edges = tuple(path for path, value in settings.items() if _at_edge(value, [selection.settings[one][path] for one in group]))
    return ChosenVariant(variant, best, means, settings, edges)


def _mean(plan: Plan, records: Records, label: str, metric: str) -> float | None:
    own = [records[run.id] for run in plan.runs if run.variant == label]
    values = [record.metrics.get(metric) for record in own if record.state == "completed"]
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if len(known) == len(own) else None


def _at_edge(value: Any, tried: Sequence[Any]) -> bool:
    numbers = [one for one in tried if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(set(numbers)) > 1 and len(numbers) == len(tried) and value in (min(numbers), max(numbers))
