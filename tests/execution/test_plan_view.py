"""What a process knows of a plan's runs: read once, then kept current by notices, which may be lost, late or wrong."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import toy_task  # noqa: F401 - the task of the plans
from counting import opened

from harness.common.stopping import Stop
from harness.execution.options import WorkerOptions
from harness.execution.plan_view import PlanView
from harness.execution.plan_worker import PlanWorker
from harness.execution.schedule import Schedule
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.store.holder import Holder
from harness.store.lease import Lease, Timing, Watch
from harness.store.notices import Notices
from harness.store.records import Store

ELSEWHERE = Holder(host="gpu07", machine="another", pid=1, process_start="1")
CLAIM = ComparisonClaim(kind="improves", variants=("better",), over=("base",), margin=0.5, metric="score")
FAST = WorkerOptions(poll_s=0.01, beat_s=0.05, stale_s=0.2, track="none")


class Clock:
    """A clock that is advanced by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def view_of(store: Store, plan: Plan, clock: Clock | None = None, watch: Watch | None = None) -> PlanView:
    return PlanView(store, plan, watch or Watch(Timing(), Holder.here()), notices_of(store, plan), clock or Clock())


def notices_of(store: Store, plan: Plan, holder: Holder | None = None) -> Notices:
    return Notices(store.paths, plan.name, (holder or Holder.here()).machine)


def train(store: Store, plan: Plan, **options: object) -> int:
    store.save_plan(plan)
    return PlanWorker(store, plan, FAST.replaced(**options), Stop()).work()


def hold(store: Store, run_id: str, holder: Holder = ELSEWHERE) -> Lease:
    lease = store.take(run_id, Watch(Timing(), holder))
    assert lease is not None
    return lease


def test_runs_that_have_not_begun_are_not_looked_at(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan(seeds=100)
    view = view_of(store, plan)
    with opened(store.paths.root) as calls:
        assert {record.state for record in view.refresh().values()} == {"pending"}
    assert calls == [str(store.paths.runs)]


def test_a_look_reads_nothing_but_the_notices_of_others(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan(seeds=100)
    other, view = notices_of(store, plan, ELSEWHERE), view_of(store, plan)
    view.refresh()
    for run in plan.runs[:20]:
        other.post(run.id, "taken")
    for run in plan.runs[20:40]:
        other.post(run.id, "completed")
    with opened(store.paths.root) as calls:
        records = view.refresh()
    assert [records[run.id].state for run in plan.runs[::20]] == ["running", "completed", "pending", "pending", "pending"]
    assert calls == [str(store.paths.notices(plan.name))]


def test_the_numbers_of_a_completed_run_are_read_when_they_are_needed(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan(seeds=2)
    view = view_of(store, plan)
    view.refresh()
    assert train(store, plan) == 0
    assert [record.metrics for record in view.refresh().values()] == [{}, {}]
    assert {**view.settle()} == store.records(run.id for run in plan.runs)


def test_a_notice_that_is_wrong_is_found_out_before_anything_follows_from_it(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan(seeds=2)
    view = view_of(store, plan)
    view.refresh()
    notices_of(store, plan).post(plan.runs[0].id, "completed")
    assert view.refresh()[plan.runs[0].id].state == "completed"
    assert view.settle()[plan.runs[0].id].state == "pending"


def test_a_late_notice_does_not_reopen_a_finished_run(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    assert train(store, plan) == 0
    view = view_of(store, plan)
    view.refresh()
    for word in ("taken", "left", "alive"):
        notices_of(store, plan, ELSEWHERE).post(plan.runs[0].id, word)
        assert view.refresh()[plan.runs[0].id].state == "completed"


def test_without_any_notice_each_run_is_trained_once(
    store: Store, toy_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = toy_plan(seeds=6)
    monkeypatch.setattr(Notices, "post", lambda *_: None)
    store.save_plan(plan)
    first, second = (PlanWorker(store, plan, FAST, Stop()) for _ in range(2))
    assert first.view.records == second.view.records  # both have read that nothing has begun
    assert first.work() == 0
    ended = {run.id: store.paths.run(run.id).result.read_bytes() for run in plan.runs}
    assert second.work() == 0
    assert {run.id: store.paths.run(run.id).result.read_bytes() for run in plan.runs} == ended


def test_a_failure_in_a_notice_is_read_at_once(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan({"base": {"fail_at": 1}})
    view = view_of(store, plan)
    view.refresh()
    assert train(store, plan) == 1
    assert view.refresh()[plan.runs[0].id].traceback_digest is not None


def test_a_run_of_a_finished_look_that_another_worker_trained_again_is_read_before_the_next_look_is_decided(
    store: Store, toy_plan: Callable[..., Plan]
) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 0.5, "noise": 9.0}}, looks=(3, 5, 10), claims=[CLAIM])
    store.save_plan(plan)
    worker = PlanWorker(store, plan, FAST, Stop())
    for _ in range(2 * plan.looks[0] + 1):
        train = worker.take()
        assert train is not None
        train()
    again, other = plan.runs[0].id, notices_of(store, plan, ELSEWHERE)
    result = store.paths.run(again).result
    aside = result.rename(result.with_name("aside"))
    other.post(again, "left")
    other.post(again, "taken")
    assert worker.view.refresh()[again].state == "interrupted"
    aside.rename(result)
    other.post(again, "completed")
    assert worker.take() is not None
    assert worker.schedule.limit(worker.view.records) == Schedule(plan).limit(store.records(run.id for run in plan.runs))
    assert worker.view.records[again] == store.record(again)


def test_holders_without_recent_notices_are_observed_in_turns(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan, clock = toy_plan(seeds=3), Clock()
    ids = [run.id for run in plan.runs]
    leases = [hold(store, run_id) for run_id in ids]
    view = view_of(store, plan, clock, Watch(Timing(), Holder.here(), clock))
    view.refresh()
    assert [view.is_alive(run_id) for run_id in ids] == [False] * 3
    for lease in leases[:2]:
        lease.beat()
    for _ in range(3):
        assert view.running(ids) == ids
    assert [view.is_alive(run_id) for run_id in ids] == [True, True, False]
    clock.now += Timing.stale_s
    for lease in leases[:2]:
        lease.beat()
    for _ in range(3):
        view.running(ids)
    assert [view.records[run_id].state for run_id in ids] == ["running", "running", "interrupted"]  # the third has not moved


def test_a_run_that_ended_meanwhile_is_waited_for_once_more(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan()
    run_id = plan.runs[0].id
    with hold(store, run_id):
        view = view_of(store, plan)
        view.refresh()
    assert view.running([run_id]) == [run_id]  # as it was when the worker looked for work
    assert not view.is_alive(run_id)
    assert view.running([run_id]) == []


def test_a_holder_with_a_recent_notice_is_not_observed(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan, clock = toy_plan(), Clock()
    run_id = plan.runs[0].id
    view = view_of(store, plan, clock)
    hold(store, run_id)
    view.refresh()
    notices_of(store, plan, ELSEWHERE).post(run_id, "alive")
    view.refresh()
    with opened(store.paths.run(run_id).folder) as calls:
        assert view.running([run_id]) == [run_id]
        assert view.is_alive(run_id)
    assert calls == []
    clock.now += 90.0  # three notices of the default timing, each after two heartbeats of 15 s
    with opened(store.paths.run(run_id).folder) as calls:
        assert view.running([run_id]) == [run_id]
    assert calls != []


def test_the_death_of_a_process_of_this_machine_is_noticed_without_the_results_folder(
    store: Store, toy_plan: Callable[..., Plan]
) -> None:
    plan = toy_plan()
    child = os.fork()
    if child == 0:
        hold(store, plan.runs[0].id, Holder.here())
        os.kill(os.getpid(), 9)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    alive = Holder.here()
    watch = Watch(Timing(), alive)
    view = view_of(store, plan, watch=watch)
    watch._local[store.paths.run(plan.runs[0].id).folder] = Holder.model_validate({**dict(alive), "pid": child})
    os.waitpid(child, 0)
    with opened(store.paths.root) as calls:
        assert view.something_changed_here()
        assert not view.something_changed_here()
    assert calls == []
