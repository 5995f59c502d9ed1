"""What an update of the screen costs: of a large plan in which little has changed, little."""

from __future__ import annotations

from collections.abc import Callable

import toy_task  # noqa: F401 - the task of the plans
from counting import entered

from harness.experiment.plan import Plan, task_of
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live_plan import PlanRows


def test_an_update_goes_through_what_has_changed(store: Store, toy_plan: Callable[..., Plan]) -> None:
    found = []
    for seeds in (20, 400):
        plan = toy_plan(seeds=seeds)
        rows = PlanRows(plan, "score", result_metrics(task_of(plan))["score"], store.paths, workers=1, device="cpu")
        records = {run.id: Record(run.id, "pending") for run in plan.runs}
        rows.update(dict(records))
        records[plan.runs[0].id] = Record(plan.runs[0].id, "completed", metrics={"score": 1.0})
        with entered() as counted:
            (event,) = rows.update(dict(records))
        assert "completed" in "".join(map(str, event.lines))
        found.append(counted[0])
    assert abs(found[1] - found[0]) < 20


def test_a_run_that_is_trained_again_counts_once(store: Store, toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan(seeds=3)
    rows = PlanRows(plan, "score", result_metrics(task_of(plan))["score"], store.paths, workers=1, device="cpu")
    states = {run.id: Record(run.id, "pending") for run in plan.runs}
    counted = []
    rows.update(dict(states))
    for place, state in ((0, "failed"), (1, "completed"), (0, "pending"), (0, "completed"), (2, "completed")):
        run = plan.runs[place]
        states[run.id] = Record(run.id, state, reason="bug")  # type: ignore[arg-type]  # a word for a state
        counted += ["".join(map(str, event.lines)).split("]")[0] for event in rows.update(dict(states))]
    assert counted == ["[1/3", "[2/3", "[2/3", "[3/3"]
