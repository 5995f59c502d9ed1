"""What the server knows of the runs: all of them after the first looks, then what changed, at the cost of what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from examples import toy_rows, write_run
from serving import Clock

from harness.experiment.plan import Plan
from harness.serving.run_index import OTHERS_A_LOOK, RUNNING_A_LOOK, RunIndex
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.notices import Notices
from harness.store.records import Store

PlanMaker = Callable[..., Plan]
ELSEWHERE = Holder(host="gpu07", machine="another", pid=1, process_start="1")


def planned(store: Store, plan: Plan, finished: int) -> Plan:
    """The saved plan, with so many finished runs."""
    store.save_plan(plan)
    for run in plan.runs[:finished]:
        write_run(store, plan, run, toy_rows(50.0), state="completed")
    return plan


def hold(store: Store, run_id: str) -> None:
    """Another machine trains the run."""
    assert store.take(run_id, Watch(Timing(), ELSEWHERE)) is not None


def test_a_first_look_reads_all_runs_and_the_next_reads_none(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=30), finished=25)
    index = RunIndex(store, Clock())
    assert index.look() == {run.id for run in plan.runs[:25]}
    assert index.calls == 25
    assert index.look() == frozenset()
    assert index.calls == 25
    states = [record.state for record in index.of(run.id for run in plan.runs).values()]
    assert states == ["completed"] * 25 + ["pending"] * 5


def test_a_notice_leads_to_the_run_it_is_about_and_to_no_other(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=30), finished=25)
    index, elsewhere = RunIndex(store, Clock()), Notices(store.paths, plan.name, ELSEWHERE.machine)
    elsewhere.post(plan.runs[0].id, "taken")
    index.look()
    result = store.paths.run(plan.runs[3].id).result
    result.write_text(json.dumps({**json.loads(result.read_text()), "state": "diverged"}))
    before = index.calls
    elsewhere.post(plan.runs[3].id, "diverged")
    assert index.look() == {plan.runs[3].id}
    assert index.calls - before == 1
    assert index.records[plan.runs[3].id].state == "diverged"


def test_notices_of_trials_and_of_unknown_runs_are_passed_over(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=3), finished=3)
    index, notices = RunIndex(store, Clock()), Notices(store.paths, plan.name, ELSEWHERE.machine)
    notices.post(plan.runs[0].id, "taken")
    index.look()
    notices.post("000000000001", "taken")
    assert index.look() == frozenset()


def test_a_run_that_begins_without_a_notice_is_found_by_the_time_of_the_folder(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=3), finished=1)
    index = RunIndex(store, clock := Clock())
    index.look()
    hold(store, plan.runs[1].id)
    clock.advance()
    assert index.look() == {plan.runs[1].id}
    assert [record.id for record in index.running()] == [plan.runs[1].id]


def test_however_many_runs_train_a_look_reads_a_fixed_number_and_in_the_end_each(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=3 * RUNNING_A_LOOK), finished=0)
    for run in plan.runs:
        hold(store, run.id)
    index = RunIndex(store, Clock())
    index.look()
    for run in plan.runs:
        write_run(store, plan, run, toy_rows(50.0)[:2])
    changed: set[str] = set()
    for _ in range(4):
        before = index.calls
        changed |= index.look()
        assert index.calls - before <= RUNNING_A_LOOK + OTHERS_A_LOOK
    assert changed == {run.id for run in plan.runs}
    assert {record.epoch for record in index.running()} == {2}


def test_a_result_whose_notice_was_lost_is_found_in_turns(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=2), finished=0)
    hold(store, plan.runs[0].id)
    index = RunIndex(store, Clock())
    index.look()
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="completed")
    assert index.look() == {plan.runs[0].id}


def test_runs_that_vanish_are_pending_again(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=3), finished=3)
    index = RunIndex(store, clock := Clock())
    index.look()
    shutil.rmtree(store.paths.run(plan.runs[0].id).folder)
    clock.advance()
    assert index.look() == {plan.runs[0].id}
    assert index.of([plan.runs[0].id])[plan.runs[0].id].state == "pending"


def test_a_damaged_result_is_a_problem_until_it_is_whole(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=3), finished=3)
    result = store.paths.run(plan.runs[0].id).result
    whole = result.read_text()
    result.write_text(whole[:20])
    index = RunIndex(store, Clock())
    index.look()
    assert str(result) in index.problems[plan.runs[0].id]
    assert len(index.records) == 2
    result.write_text(whole)
    index.look()
    assert index.problems == {}
    assert index.records[plan.runs[0].id].state == "completed"


def test_a_look_ends_in_time_and_the_next_goes_on_reading(store: Store, toy_plan: PlanMaker) -> None:
    plan = planned(store, toy_plan(seeds=10), finished=10)

    class Slow(Clock):
        def __call__(self) -> float:
            self.now += 0.3  # each time somebody asks
            return self.now

    index = RunIndex(store, Slow())
    index.look(urgent=[plan.runs[7].id])
    assert plan.runs[7].id in index.records
    assert 0 < len(index.unread) < 10
    looks = 0
    while index.unread:
        index.look()
        looks += 1
    assert looks > 1
    assert len(index.records) == 10
