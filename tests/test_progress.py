from harness.progress import Counts, due, standing, stuck
from harness.store.records import Record


def records_of(plan, *states):
    """A record a run, in the order of the plan; a state may be a pair of state and traceback digest."""
    made = {}
    for run, state in zip(plan.runs, states, strict=True):
        name, digest = state if isinstance(state, tuple) else (state, None)
        made[run.id] = Record(run.id, name, traceback_digest=digest)
    return made


def test_what_is_pending_or_interrupted_is_due_in_the_order_of_the_plan(toy_plan):
    plan = toy_plan({"a": {}, "b": {"effect": 1.0}}, seeds=3)
    records = records_of(plan, "completed", "pending", "running", "interrupted", "failed", "diverged")
    assert due(plan, records) == (plan.runs[1], plan.runs[3])


def test_failed_and_diverged_runs_are_due_on_request_only(toy_plan):
    plan = toy_plan(seeds=3)
    records = records_of(plan, "failed", "diverged", "completed")
    assert due(plan, records) == ()
    assert due(plan, records, frozenset({"failed"})) == plan.runs[:1]
    assert due(plan, records, frozenset({"failed", "diverged"})) == plan.runs[:2]


def test_three_first_failures_alike_leave_nothing_due(toy_plan):
    plan = toy_plan(seeds=5)
    records = records_of(plan, *[("failed", "here")] * 3, "pending", "interrupted")
    assert due(plan, records) == ()
    assert stuck(plan, records) == records[plan.runs[0].id]


def test_a_retry_of_what_failed_alike_is_due_again_with_the_rest(toy_plan):
    plan = toy_plan(seeds=4)
    records = records_of(plan, *[("failed", "here")] * 3, "pending")
    assert due(plan, records, frozenset({"failed"})) == plan.runs


def test_two_failures_alike_stop_nothing(toy_plan):
    plan = toy_plan(seeds=3)
    assert due(plan, records_of(plan, ("failed", "here"), ("failed", "here"), "pending")) == plan.runs[2:]


def test_failures_at_different_places_stop_nothing(toy_plan):
    plan = toy_plan(seeds=4)
    assert due(plan, records_of(plan, ("failed", "here"), ("failed", "there"), ("failed", "here"), "pending")) == plan.runs[3:]


def test_a_run_that_completed_shows_that_the_failures_are_not_the_plans(toy_plan):
    plan = toy_plan(seeds=5)
    records = records_of(plan, *[("failed", "here")] * 3, "completed", "pending")
    assert due(plan, records) == plan.runs[4:]


def test_kills_without_a_traceback_are_not_alike(toy_plan):
    plan = toy_plan(seeds=4)
    assert due(plan, records_of(plan, "failed", "failed", "failed", "pending")) == plan.runs[3:]


def test_standing_counts_every_run_once(toy_plan):
    plan = toy_plan(seeds=7)
    records = records_of(plan, "completed", "completed", "running", "pending", "interrupted", "diverged", "failed")
    assert standing(plan, records) == Counts(total=7, done=2, running=1, pending=1, interrupted=1, diverged=1, failed=1)
