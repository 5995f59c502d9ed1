"""Counts and the queue that are kept current are those that a pass over the plan finds, and keeping them costs no pass."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import toy_task  # noqa: F401 - the task of the plans
from counting import entered, opened

from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.schedule import Schedule, common_failure
from harness.execution.standing import Standing
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.store.records import Record, Store

PlanMaker = Callable[..., Plan]
STATES = ("pending", "running", "interrupted", "completed", "completed", "completed", "diverged", "failed")
CLAIM = ComparisonClaim(kind="improves", variants=("better",), over=("base",), margin=0.5, metric="score")


def record(generator: random.Random, run_id: str) -> Record:
    state = generator.choice(STATES)
    if state in {"completed", "diverged", "failed"}:
        digest = generator.choice(("here", "there", None)) if state == "failed" else None
        metrics = {"score": generator.gauss(50)}
        return Record(run_id, state, metrics=metrics, ended_at=str(generator.random()), traceback_digest=digest)  # type: ignore[arg-type]
    return Record(run_id, state)  # type: ignore[arg-type]  # a word of STATES


@pytest.mark.parametrize("listed", [(), (7, 3, 9, 1, 4, 0, 11, 2, 8, 5)], ids=["counted up", "listed"])
def test_whatever_changes_the_answers_are_those_of_all_records(toy_plan: PlanMaker, listed: tuple[int, ...]) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, looks=(3, 5, 10), claims=[CLAIM])
    if listed:
        seeds = dict(zip(range(10), listed, strict=True))
        moved = [run.model_copy(update={"seed": seeds[run.seed]}) for run in plan.runs]
        plan = Plan.model_validate({**dict(plan), "listed_seeds": listed, "runs": moved})
    generator = random.Random(0)
    scores = {run.id: {"score": 50.0 + generator.gauss()} for run in plan.runs}
    begun = {run.id: Record(run.id, "completed", metrics=scores[run.id], ended_at="then") for run in plan.runs[:10]}
    standing = Standing(plan, {run.id: begun.get(run.id, Record(run.id, "pending")) for run in plan.runs})
    schedule, horizons = Schedule(plan), set()
    for change in range(80):
        run = plan.runs[max(generator.randrange(20), generator.randrange(20))]
        standing[run.id] = record(generator, run.id) if change % 20 else Record(run.id, "failed", traceback_digest="here")
        whole, fresh = dict(standing), Schedule(plan)
        assert schedule.limit(standing) == fresh.limit(whole)
        assert common_failure(plan, standing) == common_failure(plan, whole)
        requested = standing.requested(schedule.limit(standing).horizons)
        horizons.add(schedule.limit(standing).horizon)
        if common_failure(plan, whole) is None:
            assert [plan.runs[place] for place in requested.places()] == [*fresh.remaining(whole)]
        running = [run.id for run in fresh.requested(whole) if whole[run.id].state == "running"]
        assert [*standing.running_within(requested.horizons)] == running
    assert len(horizons) > 1  # looks were judged


def test_the_same_failure_of_all_runs_is_found_whatever_was_there_before(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=4)
    standing = Standing(plan, {run.id: Record(run.id, "completed") for run in plan.runs})
    for run in plan.runs:
        assert common_failure(plan, standing) is None
        standing[run.id] = Record(run.id, "failed", traceback_digest="here")
    assert common_failure(plan, standing) == standing[plan.runs[0].id]
    for run in plan.runs:
        standing[run.id] = Record(run.id, "failed", traceback_digest="here", failed_step="a step of all")
    assert common_failure(plan, standing) is None


@pytest.mark.parametrize("looks", [False, True], ids=["fixed", "looks"])
def test_taking_a_run_of_a_large_plan_costs_what_it_costs_in_a_small_one(store: Store, toy_plan: PlanMaker, looks: bool) -> None:
    options, found = WorkerOptions(poll_s=0.01, track="none"), []
    for seeds in (20, 400):
        design: dict[str, object] = {"looks": (seeds, 2 * seeds), "claims": [CLAIM]} if looks else {"seeds": seeds}
        plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, name=f"of_{seeds}", **design)
        store.save_plan(plan)
        worker = PlanWorker(store, plan, options, Stop())
        for _ in range(3):
            train = worker.take()
            assert train is not None
            train()
        with opened(store.paths.root) as calls, entered() as counted:
            train = worker.take()
        assert train is not None
        found.append((counted[0], len(calls)))
        train()
    (steps, calls_of_small), (more_steps, calls_of_large) = found
    assert abs(more_steps - steps) < 20
    assert calls_of_large == calls_of_small
