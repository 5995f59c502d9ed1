"""How often the parent of workers reads and shows their states, and what it sees: it leaves the processors to the workers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import toy_task  # noqa: F401 - the task of the plans
from counting import entered
from examples import toy_rows, write_run

from harness.execution.machine.slots import equal_shares
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.launch import plan_supervisor
from harness.launch.plan_supervisor import PlanRuns
from harness.launch.supervise import LONGEST_UPDATE_S, POLL_S, UPDATE_SHARE, next_update
from harness.launch.worker_pool import Workers
from harness.store.records import Store

CLAIM = ComparisonClaim(kind="improves", variants=("better",), over=("base",), margin=0.5, metric="score")


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.5])
def test_updates_take_their_share_of_the_time_at_most(seconds: float) -> None:
    assert seconds / (next_update(100.0, 100.0 + seconds) - 100.0) == pytest.approx(UPDATE_SHARE)


def test_updates_of_small_plans_are_as_frequent_as_before_and_those_of_the_largest_not_rare() -> None:
    assert next_update(100.0, 100.02) < 100.02 + POLL_S
    assert next_update(100.0, 130.0) == 130.0 + LONGEST_UPDATE_S


def test_whether_workers_are_needed_is_known_without_a_pass_over_the_plan(
    store: Store, toy_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_supervisor, "levels_for", lambda *_: None)  # which would be simulated
    steps = []
    for seeds in (20, 400):
        plan = toy_plan({"base": {}, "better": {}}, name=f"of_{seeds}", looks=(seeds, 2 * seeds), claims=[CLAIM])
        store.save_plan(plan)
        work = PlanRuns(store, plan)
        pool, state = Workers(store, work.target, equal_shares(1)), work.read()
        work.needs_workers(state, pool)
        with entered() as counted:
            assert not work.needs_workers(state, pool)
        steps.append(counted[0])
    assert steps[0] == steps[1]


def test_runs_that_workers_of_another_plan_trained_are_seen_though_none_of_them_posts_a_notice_here(
    store: Store, toy_plan: Callable[..., Plan]
) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=12)
    store.save_plan(plan)
    work = PlanRuns(store, plan)
    assert work.finished(work.read()) == 0
    for run in plan.runs[:20]:
        write_run(store, plan, run, toy_rows(50.0), state="completed")
    seen = [work.finished(work.read()) for _ in range(20)]
    assert seen == sorted(seen)
    assert seen[-1] == 20
