"""Tuning and confirmation: plan and records -> the settings that the results select, and the next plan.

Each stage is a plan of its own with its own seeds. The next plan is a pure function of a plan and its results, so that every
worker computes the same one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.errors import PlanChanged
from harness.execution.recording import save_plan
from harness.experiment.changes import is_unchanged, moved, reconcile
from harness.experiment.plan import Chosen, Plan, Selection, task_of
from harness.experiment.scale import rescaled
from harness.store.ledger.history import judged_results
from harness.store.records import Record, Store
from harness.tasks.command.code.checkout import is_available
from harness.tasks.identity import identity
from harness.tasks.protocol import parse_config
from harness.tasks.results import is_usable

Records = Mapping[str, Record]


@dataclass(frozen=True)
class ChosenVariant:
    """The candidates for one variant of the next plan, and the one selected."""

    variant: str  # of the next plan
    label: str  # the selected variant of this plan
    means: Mapping[str, float | None]  # candidate -> mean over seeds; None: a run diverged or lacks the metric
    settings: Mapping[str, Any]  # dotted path -> selected value
    at_edge: tuple[str, ...]  # paths whose selected value is the smallest or largest tried: a better one may lie outside

    @property
    def measured(self) -> bool:
        """Whether the selected one has a mean; else none has, and the first was selected."""
        return self.means[self.label] is not None


def choices(plan: Plan, records: Records) -> tuple[ChosenVariant, ...]:
    """The selection, one per group; empty until every run has completed or diverged."""
    selection = plan.selection
    if selection is None or not all(records[run.id].state in ("completed", "diverged") for run in plan.runs):
        return ()
    return tuple(_choice(plan, selection, records, variant, group) for variant, group in selection.groups.items())


def next_plan(plan: Plan, records: Records) -> Plan | None:
    """The plan that the results of `plan` lead to, with its runs.

    None while a run has not finished or has failed, if the plan selects nothing, if the selection equals what it would be
    compared with, or if none of a search's best trials has a mean on fresh seeds. Raises InputError if the task cannot be loaded.
    """
    found = choices(plan, records)
    if plan.selection is None or not found or (plan.confirms and not all(choice.measured for choice in found)):
        return None
    selection, task = plan.selection, task_of(plan)
    then, chosen = selection.then, {choice.variant: choice.label for choice in found}
    variants = {label: plan.variants[chosen[label]] if label in chosen else config for label, config in then.variants.items()}
    data = {label: plan.data[chosen[label]] if label in chosen else of for label, of in then.data.items()}
    code = {label: plan.code.get(chosen.get(label, ""), of) for label, of in then.code.items()}
    configs = {label: parse_config(task, config) for label, config in variants.items()}
    if len({json.dumps([identity(config), data[label]], sort_keys=True) for label, config in configs.items()}) < len(configs):
        return None
    outline = Plan.model_validate(
        {
            **dict(then),
            "variants": variants,
            "data": data,
            "code": code,
            "chosen": Chosen(plan=plan.name, variants=chosen),
            "scale": rescaled(then.scale, task, then.variants[then.baseline], configs, then.baseline),
        }
    )
    return outline.with_runs(configs, selection.seeds_of_then)


def resolve_plan(store: Store, requested: Plan, replan: bool = False) -> tuple[Plan, bool]:
    """The plan to use when `requested` is wanted, and whether the stored plan of that name must be archived first.

    A new plan notes which of its runs have finished, or had when a look judged them, though the results were removed since. A
    stored plan without any started run is simply replaced, a confirmation with entirely different seeds is archived. `replan`
    archives a plan that has changed; another one would only become retrospective. Raises PlanChanged if runs of a different plan
    have started and `replan` is false; StoreError.
    """
    # Before the stored plan is read: other workers may save this plan, but train it only afterwards.
    seen = {*judged_results(store.paths), *store.with_results(run.id for run in requested.runs)}
    known = [run.id for run in requested.runs if run.id in seen]
    requested = Plan.model_validate({**dict(requested), "known": tuple(known)})
    stored = store.load_plan(requested.name)
    if stored is None:
        return requested, False
    if replan and not is_unchanged(stored, requested):
        return requested, True
    if all(record.state == "pending" for record in store.records(run.id for run in stored.runs).values()):
        return requested, False
    if requested.confirms and not {run.seed for run in stored.runs} & {run.seed for run in requested.runs}:
        return requested, True  # a later confirmation on fresh seeds, not a changed file
    return reconcile(stored, requested, _lost(stored, requested)), False


def _lost(stored: Plan, requested: Plan) -> set[str]:
    """The planned commits that a ref has left and that cannot be checked out here: a new clone lacks what no branch has."""
    left = {old.commit for old, _ in moved(stored, requested).values()}
    return {commit for commit in left if stored.program and not is_available(stored.program, commit)}


def current_next_plan(store: Store, plan: Plan) -> Plan | None:
    """`next_plan` of the stored version of `plan`, which may have changed since `plan` was read.

    Raises PlanChanged if a different plan has replaced it (additional seeds do not count as different), InputError, StoreError.
    """
    stored = store.load_plan(plan.name)
    if stored is None or not {run.id for run in plan.runs} <= {run.id for run in stored.runs}:
        raise PlanChanged(f"{plan.name}: was replaced by a new plan meanwhile; start this command again to work on the new plan")
    return next_plan(stored, store.records(run.id for run in stored.runs))


def save_resolved_plan(store: Store, requested: Plan, replan: bool = False) -> Plan:
    """`resolve_plan`, then save the plan and archive the one that it replaces."""
    plan, replaces = resolve_plan(store, requested, replan)
    save_plan(store, plan, replaces)
    return plan


def _choice(plan: Plan, selection: Selection, records: Records, variant: str, group: Sequence[str]) -> ChosenVariant:
    means = {label: _mean(plan, records, label, selection.metric) for label in group}
    sign = 1.0 if selection.goal == "maximize" else -1.0
    # Of equals, or if every candidate diverged, the one declared first.
    best = max(group, key=lambda label: -math.inf if (mean := means[label]) is None else sign * mean)
    settings = selection.settings.get(best, {})
    edges = tuple(path for path, value in settings.items() if _at_edge(value, [selection.settings[one][path] for one in group]))
    return ChosenVariant(variant, best, means, settings, edges)


def _mean(plan: Plan, records: Records, label: str, metric: str) -> float | None:
    own = [records[run.id] for run in plan.runs if run.variant == label]
    values = [record.metrics.get(metric) for record in own if record.state == "completed"]
    known = [value for value in values if is_usable(value)]
    return fmean(known) if len(known) == len(own) else None


def _at_edge(value: Any, tried: Sequence[Any]) -> bool:
    numbers = [one for one in tried if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(set(numbers)) > 1 and len(numbers) == len(tried) and value in (min(numbers), max(numbers))
