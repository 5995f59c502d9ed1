"""`harness status`: all plans, one plan, one run, the difference of two, and refused arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from examples import changed, toy_rows, write_run

from harness import status
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture
def toys(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two runs, one of them completed, the other failed."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}})
    store.save_plan(plan)
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="completed")
    write_run(store, plan, plan.runs[1], [], state="failed", reason="bug", error="ValueError: the toy broke")
    return plan


def run(store: Store, *arguments: str) -> int:
    return status.main([*arguments, "--results", str(store.paths.root)])


def test_all_plans_are_a_table(store: Store, toys: Plan, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    store.save_plan(toy_plan({"other": {"effect": 3.0}}, name="untouched"))
    assert run(store) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["experiment", "done", "running", "waiting", "failed", "verdicts", "updated"]
    assert lines[1][:5] == [toys.name, "2/2", "·", "·", "1"]
    assert lines[2] == ["untouched", "0/1", "·", "1", "·", "·", "·"]


def test_one_plan_shows_its_failures_and_the_command_to_retry(
    store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store, "experiments/toys.yaml") == 0
    shown = capsys.readouterr().out
    assert "failed   better seed 0" in shown
    where = f"--results {store.paths.root}"
    assert f"retry: harness run experiments/toys.yaml --device cpu {where} --retry failed" in shown
    assert f"write it with: harness report toys {where}" in shown
    assert toys.question in shown


BETTER = ComparisonClaim(kind="improves", metric="score", variants=("better",), over=("base",), margin=0.5)


def claimed(store: Store, toy_plan: PlanMaker, scores: Mapping[str, Sequence[float]], **fields: Any) -> Plan:
    """A stored plan that claims that `better` improves on `base`, with these scores by seed."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3, claims=(BETTER,), **fields)
    store.save_plan(plan)
    for planned in plan.runs:
        if planned.seed < len(scores[planned.variant]):
            write_run(store, plan, planned, toy_rows(scores[planned.variant][planned.seed]), state="completed")
    return plan


def test_verdicts_are_counted_for_all_plans_and_listed_for_one(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    claimed(store, toy_plan, {"base": [50.0, 51.0, 52.0], "better": [52.0, 53.1, 53.9]})
    assert run(store) == 0
    assert "1 supported" in capsys.readouterr().out
    assert run(store, "toys") == 0
    assert "1  better improves on base    SUPPORTED    better by 2.00 points" in capsys.readouterr().out
    assert run(store, "toys", "--json") == 0
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert (verdict["verdict"], verdict["n"], verdict["decided_at"]) == ("supported", 3, 3)


def test_before_the_first_look_a_claim_waits(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    claimed(store, toy_plan, {"base": [50.0, 51.0], "better": [52.0]})
    assert run(store, "toys") == 0
    assert "WAITING      judged at 3 seeds: 3 of 6 runs finished" in capsys.readouterr().out


def test_a_plan_decided_before_its_last_look_is_complete(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=10, looks=(3, 5, 10), claims=(BETTER,))
    store.save_plan(plan)
    for planned in plan.runs[:6]:
        score = 50.0 + planned.seed + (20.0 + 0.1 * planned.seed if planned.variant == "better" else 0.0)
        write_run(store, plan, planned, toy_rows(score), state="completed")
    assert run(store) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:7] == ["toys", "6/6", "·", "·", "·", "1", "supported"]


def test_states_of_runs_need_no_task(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    plan = claimed(store, toy_plan, {"base": [50.0, 51.0, 52.0], "better": [52.0, 53.1, 53.9]})
    store.save_plan(changed(plan, task="no_such_module:TASK"))
    assert run(store) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:2] == ["toys", "6/6"]
    assert err.startswith("task 'no_such_module:TASK' ")


def test_one_run_shows_its_record_its_configuration_and_its_files(
    store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = toys.runs[0].id
    assert run(store, run_id[:6]) == 0
    shown = capsys.readouterr().out
    assert f"run        {run_id}" in shown
    assert "variant    base" in shown
    assert "plans      toys" in shown
    assert "effect       0.0" in shown
    assert str(store.paths.run(run_id).metrics) in shown


def test_two_runs_show_how_they_differ(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, *(planned.id for planned in toys.runs)) == 0
    first, second = (planned.id for planned in toys.runs)
    assert capsys.readouterr().out.splitlines() == [
        f"{first}   toys · base · seed 0 · completed",
        f"{second}   toys · better · seed 0 · failed bug",
        "",
        f"setting   {first}   {second}",
        "effect    0.0            2.0",
    ]


def test_a_run_that_plans_name_differently_shows_the_variant_of_each(
    store: Store, toys: Plan, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save_plan(toy_plan({"plain": {}}, name="others"))
    assert run(store, toys.runs[0].id) == 0
    shown = capsys.readouterr().out
    assert "variant    plain, base" in shown
    assert "plans      others (plain), toys (base)" in shown
    assert run(store, toys.runs[0].id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["variants"] == ["plain", "base"]


def test_json_is_one_document_per_form(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (planned.id for planned in toys.runs)
    documents = []
    for names in ((), ("toys",), (first,), (first, second)):
        assert run(store, *names, "--json") == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0]["plans"][0]["counts"]["failed"] == 1
    assert [each["state"] for each in documents[1]["runs"]] == ["completed", "failed"]
    assert documents[2]["spec"]["config"]["effect"] == 0.0
    assert documents[3]["differences"] == {"effect": [0.0, 2.0]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tois"], "did you mean toys"),
        (["abcdef012345"], "no run 'abcdef012345'"),
        (["toys", "tigers"], "give one plan or search, one run id, two run ids"),
        (["../toys"], "no plan, search or run '../toys'"),
        (["abcdef01234g"], "no plan, search or run 'abcdef01234g'"),
    ],
)
@pytest.mark.usefixtures("toys")
def test_unknown_names_are_refused(store: Store, names: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, *names) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_an_ambiguous_run_id_is_refused(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    twin = toys.runs[0].model_copy(update={"id": toys.runs[0].id[:11] + ("0" if toys.runs[0].id[11] != "0" else "1")})
    write_run(store, toys, twin, [])
    assert run(store, toys.runs[0].id[:8]) == 2
    assert twin.id in capsys.readouterr().err


def damage(store: Store) -> list[str]:
    """Plans that cannot be read, and what is printed for each."""
    files = {"broken": "{", "foreign": '{"name": "mine"}', "toys copy": store.paths.plan("toys").read_text()}
    for name, text in files.items():
        store.paths.plan(name).write_text(text)
    return [str(store.paths.plan(name)) for name in files]


@pytest.mark.parametrize("names", [(), ("--json",)])
def test_damaged_plans_are_reported_beside_the_others(
    store: Store, toys: Plan, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = damage(store)
    assert run(store, *names) == 2
    out, err = capsys.readouterr()
    assert out.count(toys.name) == 1
    assert [line.split(": ")[0] for line in err.splitlines()] == paths
    assert f"{paths[-1]}: holds the plan 'toys'; rename it to toys.json, or move it elsewhere" in err


def test_a_damaged_result_hides_only_its_own_plans(
    store: Store, toys: Plan, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save_plan(toy_plan({"other": {"effect": 3.0}}, name="untouched"))
    result = store.paths.run(toys.runs[0].id).result
    result.write_text("{")
    assert run(store) == 2
    out, err = capsys.readouterr()
    assert "untouched" in out
    assert err.startswith(f"{result}: ")


def test_one_run_is_shown_beside_a_damaged_plan(store: Store, toys: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = damage(store)
    assert run(store, toys.runs[0].id) == 2
    out, err = capsys.readouterr()
    assert "plans      toys" in out
    assert first in err


def test_an_empty_store_names_the_first_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "harness run" in err


def test_a_missing_results_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--results", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
