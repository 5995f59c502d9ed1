"""Names of plans, searches, runs and experiments: what they mean, and what an unknown one is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import PlanMaker
from examples import changed, toy_rows, write_run
from searched import keep, study_of

from harness.errors import InputError
from harness.store.lookup import find_run, named_experiment, plan_name, stored_plan, unknown_name
from harness.store.records import Store

GOOD = "question: Does it walk?\ntask: toy_task:TOY\nseeds: 2\n"


def test_an_unknown_plan_is_refused_with_the_nearest_name(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan(name="toys"))
    with pytest.raises(InputError, match="did you mean toys"):
        stored_plan(store, "tois")


def test_the_experiments_name_alone_points_to_its_profiles(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan(name="toys@smoke"))
    with pytest.raises(InputError, match="did you mean toys@smoke"):
        stored_plan(store, "experiments/toys.yaml")


def test_the_file_of_a_search_is_started_by_its_own_command(
    store: Store, toy_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    Path("experiments/walks.yaml").write_text("question: Which walk?\nsearch:\n  trials: 5\n")
    assert "create one with: harness sweep experiments/walks.yaml" in str(unknown_name(store, "walks"))
    store.save_plan(toy_plan(name="toys"))
    assert "has not been started there: harness sweep walks" in str(unknown_name(store, "walks"))


def test_an_experiment_that_comes_with_the_package_is_started_by_its_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "create one with: harness sweep search@smoke" in str(unknown_name(store, "search@smoke"))
    assert "create one with: harness run paper" in str(unknown_name(store, "paper"))


def test_without_any_plan_the_message_says_how_to_make_one(store: Store) -> None:
    with pytest.raises(InputError, match=r"create one with: harness run NAME \(harness list shows the names\)"):
        stored_plan(store, "toys")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("x", "x"),
        ("x@smoke", "x@smoke"),
        ("experiments/x.yaml", "x"),
        ("/far/x.yml@smoke", "x@smoke"),
        ("x@smoke+1a2b3c", "x@smoke+1a2b3c"),
    ],
)
def test_a_path_names_the_plan_of_its_experiment(typed: str, name: str) -> None:
    assert plan_name(typed) == name


def test_an_unknown_name_lists_near_plans_and_searches(store: Store, toy_plan: PlanMaker) -> None:
    keep(store, study_of(name="hunting"), [])
    for name in ("leakyrelu_vs_relu", "leakyrelu_vs_relu@smoke", "hunt@smoke", "dropout"):
        store.save_plan(toy_plan(name=name))
    root = store.paths.root
    assert str(unknown_name(store, "leaky")) == (
        f"no plan or search 'leaky' in {root}; did you mean leakyrelu_vs_relu or leakyrelu_vs_relu@smoke?"
    )
    assert "did you mean hunting?" in str(unknown_name(store, "huntings"))
    assert "did you mean hunt@smoke?" in str(unknown_name(store, "hunt"))
    assert "choose from: dropout, hunt@smoke, hunting, leaky" in str(unknown_name(store, "zzz"))


def test_an_experiment_that_was_not_started_is_named(
    store: Store, toy_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/walk.yaml").write_text(GOOD)
    store.save_plan(toy_plan(name="toys"))
    assert "experiments/walk.yaml has not been started there: harness run walk" in str(unknown_name(store, "walk"))


def test_a_mistyped_run_id_lists_the_nearest_run(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(name="toys")
    store.save_plan(plan)
    run = plan.runs[0]
    write_run(store, plan, run, toy_rows(50.0), state="completed")
    wrong = run.id[:7] + ("0" if run.id[7] != "0" else "1") + run.id[8:]
    with pytest.raises(InputError, match=rf"no run '{wrong}' in .*; did you mean {run.id}\?"):
        find_run(store, wrong)
    assert f"did you mean {run.id}?" in str(unknown_name(store, f"{run.id[:11]}g", runs=True))
    store.paths.run(run.id).spec.unlink()
    assert find_run(store, run.id[:6], damaged=True) == run.id


def test_an_unknown_experiment_names_files_beside_it_and_what_is_in_the_results(
    store: Store, toy_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaky.yaml").write_text(GOOD)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/dropout.yml").write_text(GOOD)
    store.save_plan(changed(toy_plan(name="walk_far"), file="own/dropout.yml"))
    assert named_experiment("leaky", store.paths.root).path == Path("leaky.yaml")
    for typed, told in (("laeky", "leaky.yaml"), ("own/dropout", "own/dropout.yml"), ("own/drupout.yaml", "own/dropout.yml")):
        with pytest.raises(InputError, match=re.escape(f"no experiment '{typed}'; did you mean {told}?")):
            named_experiment(typed, store.paths.root)
    with pytest.raises(InputError, match=r"has the plan walk_far, made from own/dropout\.yml"):
        named_experiment("walk", store.paths.root)
