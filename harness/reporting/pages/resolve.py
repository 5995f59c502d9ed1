"""Finds the plan or search by name for a report; refuses stages that have no report."""

from __future__ import annotations

from harness.errors import InputError
from harness.experiment.plan import Plan, stage_name
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.store.lookup import plan_name, stored_plan, unknown_name
from harness.store.records import Store


def find(store: Store, name: str) -> Plan | Study:
    """The plan or search by its name or its experiment's path.

    Raises InputError with the choices, or with the progress of an unfinished tuning; StoreError.
    """
    wanted, searches, plans = plan_name(name), store.study_names(), store.plan_names()
    study = store.load_study(wanted) if wanted in searches else None
    if study is not None:
        return study
    if wanted in plans:
        plan = stored_plan(store, wanted)
        if plan.selection is not None:
            raise InputError(_no_report(store, plan))
        return plan
    own = stage_name(wanted, "tuning")
    tuning = store.load_plan(own) if own in plans else None
    if tuning is not None:
        raise InputError(_tuning_progress(store, wanted, tuning))
    raise unknown_name(store, name)


def _no_report(store: Store, plan: Plan) -> str:
    """Why a tuning or confirmation plan has no report."""
    if plan.stage == "tuning" and plan.family not in store.plan_names():
        return _tuning_progress(store, plan.family, plan)
    return f"{plan.name}: its results only choose what is compared and have no report; run: harness report {plan.family}"


def _tuning_progress(store: Store, name: str, tuning: Plan) -> str:
    """The progress of a tuning whose comparison has not started."""
    states = [record.state for record in store.records(run.id for run in tuning.runs).values()]
    finished = sum(state in ("completed", "diverged") for state in states)
    failed = states.count("failed")
    lost = f", {failed:,d} failed (retry: --retry failed)" if failed else ""
    runs = f"{finished:,d} of {phrases.plural(len(states), 'run')} finished{lost}"
    command = phrases.command(tuning, store.paths.root)
    return f"{name}: only its tuning has started, {runs}; its report starts with the comparison; finish the tuning: {command}"
