"""What is told as delivered has arrived, and a run that cannot arrive keeps no other from it. The client is a toy: W&B's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from conftest import PlanMaker
from mirrors import ToyClient, train

from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.tracking import delivery
from harness.tracking.deliver import deliver, list_deliveries

KINDS = ("weights", "predictions")


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """Four runs that nothing was told of."""
    made = toy_plan(seeds=4)
    train(store, made, keep="weights")
    return made


def told(store: Store, client: ToyClient, plan: Plan, uploads: Iterable[str] = ()) -> list[dict[str, Any]]:
    """What becomes of each run of the plan that waits."""
    waiting = list_deliveries(store, [run.id for run in plan.runs], tuple(uploads))
    parcels = [(parcel.run_id, parcel.uploads) for parcel in waiting if parcel.state == "waiting"]
    return list(deliver(store, client, parcels))  # type: ignore[arg-type]  # a toy


def test_a_run_whose_upload_fails_is_not_delivered_and_what_was_uploaded_is_not_sent_again(store: Store, plan: Plan) -> None:
    client = ToyClient()
    client.refuses = {"predictions"}
    found = told(store, client, plan, KINDS)
    assert [each["delivered"] for each in found] == [False] * 4
    first = plan.runs[0].id
    assert found[0]["error"] == f"predictions: no space for predictions-{first}"
    assert client.uploads == [f"weights-{run.id}" for run in plan.runs]
    assert {parcel.state: parcel.uploads for parcel in list_deliveries(store, [first], KINDS)} == {"waiting": ("predictions",)}
    client.refuses = set()
    assert all(each["delivered"] for each in told(store, client, plan, KINDS))
    assert sorted(client.uploads) == sorted(f"{kind}-{run.id}" for run in plan.runs for kind in KINDS)
    assert [parcel.state for parcel in list_deliveries(store, [first], KINDS)] == ["delivered"]


def test_a_failing_upload_does_not_stop_the_other_kinds(store: Store, plan: Plan) -> None:
    client = ToyClient()
    client.refuses = {"weights"}
    told(store, client, plan, KINDS)
    assert client.uploads == [f"predictions-{run.id}" for run in plan.runs]


def test_a_file_that_cannot_be_read_is_not_delivered(store: Store, plan: Plan) -> None:
    weights = store.paths.run(plan.runs[0].id).checkpoint
    weights.unlink()
    weights.mkdir()
    found = told(store, ToyClient(), plan, KINDS)
    assert [each["delivered"] for each in found] == [False, True, True, True]
    assert found[0]["error"].startswith(f"weights: {weights}: cannot be read")


def test_missing_uploads_are_reported_unless_uploaded_before(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "bad": {"fail_at": 2}})
    train(store, plan)
    run_id, bad = (run.id for run in plan.runs)
    parcels = list_deliveries(store, [run_id, bad], KINDS)
    assert [parcel.lacking for parcel in parcels] == [("weights",), ()]
    known = delivery.Delivery(uploaded={"weights": "0" * 64})
    delivery.save(store.paths, run_id, known)
    assert list_deliveries(store, [run_id], KINDS)[0].lacking == ()


def test_a_run_that_cannot_be_delivered_does_not_stop_the_others(store: Store, plan: Plan) -> None:
    one, two, three, four = (run.id for run in plan.runs)
    store.paths.run(one).metrics.write_text("torn\n")
    store.paths.run(two).spec.unlink()
    client = ToyClient()
    client.short = {three}
    found = {each["run"]: each for each in told(store, client, plan)}
    assert {run_id: each["delivered"] for run_id, each in found.items()} == {one: False, two: False, three: False, four: True}
    assert "metrics.jsonl:1" in found[one]["error"]
    assert "spec.json" in found[two]["error"]
    assert found[three]["error"] == "W&B has fewer rows than were sent"


def test_a_damaged_result_is_reported_when_its_run_is_delivered(store: Store, plan: Plan) -> None:
    store.paths.run(plan.runs[0].id).result.write_text("torn")
    found = told(store, ToyClient(), plan)
    assert [each["delivered"] for each in found] == [False, True, True, True]
    assert "result.json" in found[0]["error"]


def test_two_runs_in_a_row_that_are_not_opened_leave_the_rest_for_later(store: Store, plan: Plan) -> None:
    one, two, three, _ = (run.id for run in plan.runs)
    client = ToyClient()
    client.closed = {one, two}
    assert [each["run"] for each in told(store, client, plan)] == [one, two]
    client.closed = {one, three}
    assert [each["delivered"] for each in told(store, client, plan)] == [False, True, False, True]


def test_of_a_variant_whose_runs_fail_the_first_one_sends_an_alert(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"bad": {"fail_at": 2}, "lost": {"diverge_at": 2}}, seeds=2)
    train(store, plan)
    client = ToyClient()
    for _ in range(2):
        assert all(each["delivered"] for each in told(store, client, plan))
    assert client.alerts == ["bad · 0 failed", "lost · 0 diverged"]
    assert {(path, name) for path, name, _ in client.texts} == {(run.id, "log.txt") for run in plan.runs}
    store.paths.delivery(plan.runs[0].id).unlink()
    assert all(each["delivered"] for each in told(store, client, plan))
    assert len(client.alerts) == 3  # what was sent is no longer known; W&B itself drops it


def test_of_all_trials_that_diverge_one_sends_an_alert(
    store: Store, toy_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = toy_plan({f"trial {number}": {"diverge_at": 2, "effect": float(number)} for number in range(3)})
    train(store, plan)
    monkeypatch.setattr("harness.tracking.page._use", lambda *_: "search")
    client = ToyClient()
    assert all(each["delivered"] for each in told(store, client, plan))
    assert client.alerts == ["trial 0 · 0 diverged"]


def test_a_run_that_lacks_rows_keeps_its_alert_and_its_log_for_later(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"bad": {"fail_at": 2}})
    train(store, plan)
    run_id = plan.runs[0].id
    client = ToyClient()
    client.short = {run_id}
    assert not told(store, client, plan)[0]["delivered"]
    known = delivery.load(store.paths, run_id)
    assert known is not None
    assert (known.alerted, known.uploaded) == (None, {})
