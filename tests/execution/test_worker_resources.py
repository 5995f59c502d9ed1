"""Workers that train only runs with certain resources: each its own, and nobody leaves while others may bring more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from counting import opened
from tuned import tuning_plan

from harness import worker
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED
from harness.execution.options import WorkerOptions
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tasks.resources import NOTHING, Resources

LARGE = Resources(gpus=2)
QUICK = {"epochs": 1, "steps": 1}
CLAIM = ComparisonClaim(kind="improves", variants=("better",), over=("base",), margin=0.05, metric="score")


def wide(plan: Plan, *labels: str) -> Plan:
    """The plan, in which runs of these variants need two GPUs."""
    return Plan.model_validate({**dict(plan), "resources": dict.fromkeys(labels, LARGE)})


def work(target: Path, needs: Resources) -> int:
    """The exit code of a worker for runs that need this."""
    options = WorkerOptions(resources=(needs,), idle=0, poll_s=0.05, beat_s=0.1, stale_s=1)
    return worker.main([str(target), *options.arguments()])


def trained(store: Store, plan: Plan) -> dict[str, int]:
    """Variant -> number of its runs that have a result."""
    done = [run.variant for run in plan.runs if store.result(run.id) is not None]
    return {label: done.count(label) for label in plan.variants}


@pytest.fixture
def plan(toy_plan: Callable[..., Plan]) -> Plan:
    variants: dict[str, Any] = {"base": QUICK, "better": {**QUICK, "effect": 0.7, "noise": 1.5}}
    return wide(toy_plan(variants, looks=(3, 5, 10), claims=[CLAIM]), "better")


def test_each_worker_trains_its_own_runs_and_comes_back_for_those_of_the_next_look(store: Store, plan: Plan) -> None:
    target = store.save_plan(plan)
    assert work(target, NOTHING) == EXIT_INTERRUPTED
    assert trained(store, plan) == {"base": 3, "better": 0}
    assert work(target, LARGE) == EXIT_INTERRUPTED
    assert trained(store, plan) == {"base": 3, "better": 5}  # the claim is open after the first look
    codes = [work(target, needs) for needs in (NOTHING, LARGE) * 2]
    assert codes[-1] == EXIT_OK
    assert trained(store, plan) == {"base": 10, "better": 10}


def test_without_further_looks_a_worker_leaves_once_its_own_runs_are_trained(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = wide(toy_plan({"base": QUICK, "better": {**QUICK, "effect": 1.0}}, seeds=2), "better")
    target = store.save_plan(plan)
    assert work(target, LARGE) == EXIT_OK
    assert trained(store, plan) == {"base": 0, "better": 2}


def test_nobody_waits_for_runs_that_will_not_be_trained(store: Store, toy_plan: Callable[..., Plan]) -> None:
    variants = {"base": QUICK, "better": {**QUICK, "fail_at": 1}}
    plan = wide(toy_plan(variants, looks=(3, 5), claims=[CLAIM]), "better")
    target = store.save_plan(plan)
    assert work(target, NOTHING) == EXIT_INTERRUPTED
    assert work(target, LARGE) == EXIT_RUNS_FAILED
    assert work(target, NOTHING) == EXIT_RUNS_FAILED
    assert trained(store, plan) == {"base": 3, "better": 3}


def test_a_worker_that_needs_nothing_of_the_machine_reads_no_run_before_it_looks_for_work(store: Store, plan: Plan) -> None:
    store.save_plan(plan)
    with opened(store.paths.runs) as calls, worker._own_gpus(store, wide(plan), WorkerOptions()):
        pass
    assert calls == []
    with opened(store.paths.runs) as calls, worker._own_gpus(store, plan, WorkerOptions()):
        pass
    assert calls == [str(store.paths.runs)]


def test_a_request_that_no_run_has_trains_and_retries_nothing(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan({"base": {**QUICK, "fail_at": 1}}, seeds=1)
    target = store.save_plan(plan)
    assert work(target, NOTHING) == EXIT_RUNS_FAILED
    before = store.paths.run(plan.runs[0].id).result.read_bytes()
    options = WorkerOptions(resources=(LARGE,), retry=("failed",))
    assert worker.main([str(target), *options.arguments()]) == EXIT_RUNS_FAILED
    assert store.paths.run(plan.runs[0].id).result.read_bytes() == before


def test_a_worker_waits_for_a_tuning_whose_results_lead_to_its_next_runs(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    selection = tuning.selection
    assert selection is not None
    then = wide(selection.then, "quiet")
    plan = wide(Plan.model_validate({**dict(tuning), "selection": {**dict(selection), "then": then}}), *selection.groups["quiet"])
    target = store.save_plan(plan)
    assert work(target, NOTHING) == EXIT_INTERRUPTED
    assert work(target, LARGE) == EXIT_OK
    evidence = store.load_plan("tuned")
    assert evidence is not None
    assert trained(store, evidence) == {"plain": 0, "quiet": 3}
    assert work(target, NOTHING) == EXIT_OK
    assert trained(store, evidence) == {"plain": 3, "quiet": 3}
