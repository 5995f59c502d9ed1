"""Plans and searches of a results folder: saved, listed, loaded, archived; other and misnamed files hide none of them."""

from __future__ import annotations

from pathlib import Path

from conftest import PlanMaker
from searching import SPACE, toy_search

from harness.search.reconcile import prepare
from harness.store.records import Store


def test_a_plan_comes_back_as_it_was_saved(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    store.save_plan(plan)
    assert store.load_plan("toys") == plan
    assert store.load_plan("others") is None
    assert store.plan_names() == ["toys"]


def test_an_archived_plan_makes_room_and_is_kept(store: Store, toy_plan: PlanMaker) -> None:
    for effect in (1.0, 2.0):
        store.save_plan(toy_plan({"base": {"effect": effect}}))
        kept = store.archive_plan("toys")
        assert kept is not None
    assert store.load_plan("toys") is None
    assert store.plan_names() == []
    assert [path.name for path in sorted(kept.parent.iterdir())] == ["toys.1.json", "toys.2.json"]
    assert store.archive_plan("toys") is None  # another worker was faster


def test_other_files_among_the_plans_are_ignored(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan())
    (store.paths.plans / "notes.txt").write_text("hello")
    (store.paths.plans / ".toys.json.0.0123456789abcdef.tmp").write_text("{")
    assert store.plan_names() == ["toys"]


def test_an_archived_search_makes_room_and_is_kept_with_its_trials(store: Store, tmp_path: Path) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}}}")
    for number in (1, 2):
        prepare(store, study)
        store.paths.study("toys").journal.write_text("trials")
        kept = store.archive_study("toys")
        assert kept == store.paths.earlier_study("toys", number)
        assert sorted(path.name for path in kept.iterdir() if path.is_file()) == ["journal.log", "search.json"]
    assert store.load_study("toys") is None
    assert store.study_names() == []


def test_a_plan_or_search_with_the_name_of_another_is_reported_and_hides_no_other(
    store: Store, toy_plan: PlanMaker, tmp_path: Path
) -> None:
    plan, study = toy_plan(), prepare(store, toy_search(tmp_path, f"{{space: {SPACE}}}"))
    copied = store.paths.plan("others")
    copied.write_bytes(store.save_plan(plan).read_bytes())
    other = store.paths.study("others")
    other.folder.mkdir()
    other.spec.write_bytes(store.paths.study("toys").spec.read_bytes())
    plans, errors = store.load_plans()
    assert plans == [plan]
    assert [str(error).partition(";")[0] for error in errors] == [f"{copied}: holds the plan 'toys'"]
    studies, errors = store.load_studies()
    assert studies == [study]
    assert [str(error).partition(";")[0] for error in errors] == [f"{other.spec}: holds the search 'toys'"]


def test_the_confirmation_of_a_search_is_as_far_as_it_has_begun(store: Store, toy_plan: PlanMaker, tmp_path: Path) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}}}")
    assert store.confirmation(study) == []
    for name in ("toys", "toys.top", "toys.final"):
        store.save_plan(toy_plan(name=name))
    assert [plan.stage for plan in store.confirmation(study)] == ["top", "final"]
