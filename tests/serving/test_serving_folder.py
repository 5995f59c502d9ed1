"""The documents about a results folder: what they say, what they cost, and what they say while the folder is away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from examples import toy_rows, write_log, write_run
from searching import SPACE, begun, toy_search
from serving import Clock

from harness.common import patience
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan, Selection
from harness.serving.folder import Folder
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store
from harness.store.trial_runs import write_trial_runs

CLAIM = ComparisonClaim(kind="improves", metric="score", variants=("better",), over=("base",), margin=1.0)
PlanMaker = Callable[..., Plan]
ELSEWHERE = Holder(host="gpu07", machine="another", pid=4711, process_start="1", job="99_2")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(store: Store, toy_plan: PlanMaker, clock: Clock) -> Folder:
    """Two variants with two seeds: one run has finished, another trains on another machine."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2, claims=[CLAIM])
    store.save_plan(plan)
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="completed")
    hold(store, plan.runs[1].id)
    write_run(store, plan, plan.runs[1], toy_rows(52.0)[:2])
    write_log(store, plan.runs[1], "\x1b[31mhello\x1b[0m <b>\n")
    return Folder(store.paths.root, clock)


def hold(store: Store, run_id: str) -> None:
    assert store.take(run_id, Watch(Timing(), ELSEWHERE)) is not None


def state(folder: Folder) -> Any:
    return json.loads(folder.state().data)


def test_the_state_tells_how_far_each_plan_is(folder: Folder) -> None:
    (plan,) = state(folder)["progress"]
    assert (plan["name"], plan["total"], plan["done"], plan["running"], plan["failed"]) == ("toys", 4, 1, 1, 0)
    assert plan["report"]
    assert state(folder)["problem"] == ""


def test_the_state_tells_what_trains_where_and_how_far_it_is(folder: Folder) -> None:
    (run,) = state(folder)["training"]
    assert (run["of"], run["variant"], run["seed"], run["epoch"], run["epochs"]) == ("toys", "better", 0, 2, 3)
    assert (run["host"], run["pid"], run["job"]) == ("gpu07", 4711, "99_2")
    assert [value["text"] for value in run["values"]] == ["51.00 points", "0.5000"]
    assert run["left_s"] == 12.0  # rows of two epochs that took 12 s each


def test_a_run_has_its_curve_and_the_end_of_its_log_without_control_characters(folder: Folder) -> None:
    run_id = state(folder)["training"][0]["run"]
    found = folder.run(run_id)
    assert found is not None
    run = json.loads(found.data)
    assert run["log"] == "hello <b>"
    (line,) = run["chart"]["lines"]
    assert (line["x"], line["y"]["score"], line["run"]) == ([1, 2], [50.0, 51.0], run_id)
    assert run["chart"]["metrics"]["score"]["better"] == "maximize"
    assert {name: metric["exploratory"] for name, metric in run["chart"]["metrics"].items()} == {
        "score": False,
        "loss": True,
        "step": True,
    }


def test_a_run_that_has_not_begun_has_no_document(folder: Folder) -> None:
    assert folder.run("0123456789ab") is None


def test_values_that_are_not_finite_are_gaps_of_the_curve(folder: Folder, store: Store) -> None:
    plan = store.load_plan("toys")
    assert plan is not None
    rows = [*toy_rows(52.0)[:2], {"epoch": 3, "score": float("nan"), "loss": float("inf")}]
    write_run(store, plan, plan.runs[0], rows, state="diverged")
    found = folder.run(plan.runs[0].id)
    assert found is not None
    assert json.loads(found.data)["chart"]["lines"][0]["y"]["score"][-1] is None


def test_the_tag_stays_while_nothing_changes_and_the_folder_is_looked_at_once_a_second(folder: Folder, clock: Clock) -> None:
    first = folder.state()
    assert folder.state() is first
    clock.advance()
    assert folder.state().tag == first.tag


def test_a_finished_run_changes_the_tag_and_the_stamp_of_its_report(folder: Folder, store: Store, clock: Clock) -> None:
    plan = store.load_plan("toys")
    assert plan is not None
    tag, stamps = folder.state().tag, folder.stamps()
    write_run(store, plan, plan.runs[1], toy_rows(52.0), state="completed")
    clock.advance()
    assert folder.state().tag != tag
    assert folder.stamps()["toys"] != stamps["toys"]
    assert folder.stamps()[""] != stamps[""]


def test_an_epoch_changes_the_tag_but_no_report(folder: Folder, store: Store, clock: Clock) -> None:
    plan = store.load_plan("toys")
    assert plan is not None
    tag, stamps = folder.state().tag, folder.stamps()
    write_run(store, plan, plan.runs[1], toy_rows(52.0))
    clock.advance()
    assert folder.state().tag != tag
    assert folder.stamps() == stamps


def test_a_folder_that_is_away_is_a_message_and_what_was_known_stays(folder: Folder, store: Store, clock: Clock) -> None:
    with patience.waiting_up_to(0.0):
        before = state(folder)
        away = store.paths.root.rename(store.paths.root.with_name("away"))
        clock.advance()
        gone = state(folder)
        assert "moved or unmounted" in gone["problem"]
        assert gone["progress"] == before["progress"]
        assert gone["training"] == before["training"]
        away.rename(store.paths.root)
        clock.advance()
        assert state(folder) == before


def test_a_run_whose_rows_are_damaged_says_so_and_the_others_are_shown(folder: Folder, store: Store, clock: Clock) -> None:
    plan = store.load_plan("toys")
    assert plan is not None
    store.paths.run(plan.runs[0].id).metrics.write_text('{"epoch": 1}\n{"epo')
    found = folder.run(plan.runs[0].id)
    assert found is not None
    assert "metrics.jsonl:2: invalid JSON object" in json.loads(found.data)["problem"]
    metrics = store.paths.run(plan.runs[1].id).metrics
    metrics.unlink()
    metrics.mkdir()
    clock.advance()
    assert state(folder)["problem"] == ""
    assert any(str(metrics) in problem for problem in state(folder)["problems"])
    assert len(state(folder)["progress"]) == 1


def test_another_folder_in_its_place_is_shown_instead(folder: Folder, store: Store, toy_plan: PlanMaker, clock: Clock) -> None:
    with patience.waiting_up_to(0.0):
        assert state(folder)["progress"][0]["done"] == 1
        other = Store.open(store.paths.root.with_name("other"))
        other.save_plan(toy_plan(name="tigers"))
        store.paths.root.rename(store.paths.root.with_name("old"))
        other.paths.root.rename(store.paths.root)
        clock.advance()
        (plan,) = state(folder)["progress"]
        assert (plan["name"], plan["done"]) == ("tigers", 0)


def test_a_damaged_plan_is_a_message_and_the_others_are_shown(
    folder: Folder, store: Store, toy_plan: PlanMaker, clock: Clock
) -> None:
    store.save_plan(toy_plan(name="tigers"))
    path = store.paths.plan("toys")
    whole = path.read_text()
    path.write_text(whole[:100])
    found = state(folder)
    assert [plan["name"] for plan in found["progress"]] == ["tigers"]
    assert str(path) in found["problems"][0]
    path.write_text(whole)
    clock.advance()
    assert {plan["name"] for plan in state(folder)["progress"]} == {"tigers", "toys"}
    assert state(folder)["problems"] == []


def test_a_run_used_for_a_choice_shows_no_test_metric(
    store: Store, toy_plan: PlanMaker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toy_task import TOY

    from harness.tasks.protocol import Metric

    monkeypatch.setattr(
        type(TOY), "metrics", {"loss": Metric("", "minimize", split="train"), "score": Metric("", "maximize", split="test")}
    )
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, name="tuned.tuning")
    final = toy_plan({"base": {}}, name="tuned")
    choice = Selection.model_validate(
        {
            "metric": "loss",
            "goal": "minimize",
            "groups": {"base": ["base", "better"]},
            "settings": {"base": {}, "better": {"effect": 2.0}},
            "seeds": 1,
            "then": {**final.model_dump(mode="json", exclude={"runs"}, by_alias=True), "runs": []},
        }
    )
    plan = Plan.model_validate({**dict(plan), "selection": choice, "stage": "tuning", "claims": ()})
    store.save_plan(plan)
    hold(store, plan.runs[1].id)
    write_run(store, plan, plan.runs[1], toy_rows(52.0)[:2])
    folder = Folder(store.paths.root, clock)
    text = folder.state().data.decode()
    found = folder.run(plan.runs[1].id)
    assert found is not None
    assert json.loads(text)["training"][0]["values"] != []
    assert "score" not in text + found.data.decode()


def test_a_search_has_its_trials_and_its_runs_their_trial(store: Store, tmp_path: Any, clock: Clock) -> None:
    study = toy_search(tmp_path, f"{{trials: 4, space: {SPACE}}}", name="hunt")
    broker = begun(store, study)
    taken = broker.ask(Watch(Timing(), ELSEWHERE))
    assert taken is not None
    run_id = "0123456789ab"
    hold(store, run_id)
    write_trial_runs(store.paths.study("hunt"), taken.number, [run_id])
    broker.close()
    folder = Folder(store.paths.root, clock)
    (search,) = state(folder)["progress"]
    assert (search["name"], search["kind"], search["total"], search["running"]) == ("hunt", "trials", 4, 1)
    (run,) = state(folder)["training"]
    assert (run["of"], run["variant"]) == ("hunt", f"trial {taken.number}")
