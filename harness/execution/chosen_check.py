"""Check that a plan compares what the results of the plan before it chose."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import StoreError
from harness.execution.stages import choices
from harness.experiment.plan import Plan
from harness.store.check.finding import FileFinding
from harness.store.records import Store


def check_chosen(store: Store, plan: Plan) -> Iterator[FileFinding]:
    """A finding if the tuning, or the best trials of a search, chose other variants, or if theirs have other configurations.

    Nothing is said while a run of the plan that chooses has no result, as during a retry, or if that plan cannot be read, which
    is a problem of its own.
    """
    if plan.chosen is None:
        return
    path, chooser_path = store.paths.plan(plan.name), store.paths.plan(plan.chosen.plan)
    try:
        chooser = store.load_plan(plan.chosen.plan)
        found = choices(chooser, store.records(run.id for run in chooser.runs)) if chooser is not None else ()
    except StoreError:
        return
    if chooser is None:
        yield FileFinding(path, f"the plan that chose its variants, {plan.chosen.plan}, is missing", f"restore {chooser_path}")
        return
    advice = "restore the plans and results from a copy, or plan again with --replan"
    own = dict(plan.chosen.variants)
    for choice in found:
        if own.pop(choice.variant, choice.label) != choice.label:
            chosen = plan.chosen.variants[choice.variant]
            what = f"compares {chosen!r} as {choice.variant!r}, but the results of {chooser.name} choose {choice.label!r}"
            yield FileFinding(path, what, advice)
    if found and own:
        yield FileFinding(path, f"{next(iter(own))!r} was not chosen by the results of {chooser.name}", advice)
    for variant, label in plan.chosen.variants.items():
        if label in chooser.variants and plan.variants.get(variant) != chooser.variants[label]:
            yield FileFinding(path, f"{variant!r} does not have the configuration of {label!r} in {chooser.name}", advice)
