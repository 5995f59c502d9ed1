"""Finds the plan or the search that a name means for a report; a stage that has no report is refused with what to do."""

from __future__ import annotations

import difflib

from harness.errors import InputError
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.store.frames import plan_name, stored_plan
from harness.store.records import Store


def reported(store: Store, name: str) -> Plan | Study:
    """The plan or the search `name` is for: its name, or its experiment's path.

    Raises InputError, naming the choices, or how far a tuning is whose comparison has not begun; StoreError.
    """
    wanted, searches, plans = plan_name(name), store.study_names(), store.plan_names()
    study = store.load_study(wanted) if wanted in searches else None
    if study is not None:
        return study
    if wanted in plans:
        plan = stored_plan(store, wanted)
        if plan.selection is not None:
            raise InputError(_stage(store, plan))
        return plan
    own = stage_name(wanted, "tuning")
    tuning = store.load_plan(own) if own in plans else None
    if tuning is not None:
        raise InputError(_begun(store, wanted, tuning))
    near = [other for other in searches if other.startswith((f"{wanted}@", f"{wanted}+"))]
    near = near or ([] if plans else searches[:20])
    if near or (close := difflib.get_close_matches(wanted, searches, n=3)):
        raise InputError(f"no plan or search {wanted!r} in {store.paths.root}; did you mean {' or '.join(near or close)}?")
    return stored_plan(store, wanted)  # raises, naming the plans that there are


def _stage(store: Store, plan: Plan) -> str:
    """Why a plan whose results choose has no report."""
    if plan.stage == "tuning" and plan.family not in store.plan_names():
        return _begun(store, plan.family, plan)
    return f"{plan.name}: its results choose what is compared, and are no evidence; allowed: harness report {plan.family}"


def _begun(store: Store, name: str, tuning: Plan) -> str:
    """How far the tuning of an experiment is whose comparison has not begun."""
    states = [store.record(run.id).state for run in tuning.runs]
    ended = sum(state in ("completed", "diverged") for state in states)
    failed = states.count("failed")
    lost = f", {failed:,d} failed (again: --retry failed)" if failed else ""
    runs = f"{ended:,d} of {phrases.plural(len(states), 'run')} in{lost}"
    command = phrases.command(tuning, store.paths.root)
    return f"{name}: only its tuning has begun, {runs}; the report begins with the comparison, once all are: {command}"
