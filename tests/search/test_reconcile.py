"""A search asked for again: the same one goes on, a changed one is refused with the difference, and --replan puts the old one away."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from searching import SPACE, begun, toy_search, watch

from harness.errors import PlanChanged, StoreError
from harness.experiment.study import Study
from harness.search.reconcile import in_training, prepare, resolve_study
from harness.store.records import Store
from harness.store.seal import read_sealed

SEARCH = f"{{space: {SPACE}, trials: 4}}"
CHANGED = {
    "{space: {effect: {range: [-3, 5]}, noise: {range: [0.5, 2], log: true}}}": 'space.effect: {"kind": "range"',
    "{space: {effect: {range: [-3, 3]}}}": "-> absent",
    f"{{space: {SPACE[:-1]}, steps: {{range: [1, 9]}}}}}}": "space.steps: absent -> ",
    f"{{space: {SPACE}, objectives: loss}}": 'objectives: {"score": "maximize"} -> {"loss": "minimize"}',
    f"{{space: {SPACE}, constraints: {{parameters: {{at_most: 9}}}}}}": "constraints: {} -> ",
    f"{{space: {SPACE}, sampler: random}}": 'sampler: "tpe" -> "random"',
    f"{{space: {SPACE}, pruner: median, prune_after: 2}}": "prune_after: 1 -> 2",
    f"{{space: {SPACE}, seeds: 2}}": "seeds: 1 -> 2",
}


@pytest.fixture
def study(store: Store, tmp_path: Path) -> Study:
    """One that has begun."""
    return prepare(store, toy_search(tmp_path, SEARCH))


@pytest.mark.parametrize("search", CHANGED)
def test_a_change_of_what_decides_the_trials_is_refused_with_the_difference(
    store: Store, study: Study, tmp_path: Path, search: str
) -> None:
    with pytest.raises(PlanChanged) as caught:
        prepare(store, toy_search(tmp_path, search))
    assert "toys differs from the search started on 2026-01-01:" in str(caught.value)
    assert CHANGED[search] in str(caught.value)
    assert "undo the change" in str(caught.value)
    assert store.load_study("toys") == study


def test_a_change_of_the_base_is_refused_with_the_path(store: Store, study: Study, tmp_path: Path) -> None:
    with pytest.raises(PlanChanged, match=r"config\.epochs: 3 -> 5"):
        prepare(store, toy_search(tmp_path, SEARCH, config="{epochs: 5}"))
    assert store.load_study("toys") == study


def test_another_accelerator_or_version_of_the_task_is_another_search(store: Store, study: Study) -> None:
    asked = Study.model_validate({**dict(study), "accelerator": "cuda", "task_version": "2"})
    with pytest.raises(PlanChanged) as caught:
        prepare(store, asked)
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert lines == ["  task: toy_task:TOY 1 -> toy_task:TOY 2", "  accelerator: cpu -> cuda"]
    assert store.load_study("toys") == study


def test_both_ends_of_a_changed_range_are_shown(store: Store, study: Study, tmp_path: Path) -> None:  # noqa: ARG001 - it is there
    with pytest.raises(PlanChanged) as caught:
        prepare(store, toy_search(tmp_path, "{space: {effect: {range: [-3, 5]}, noise: {range: [0.5, 2], log: true}}}"))
    (line,) = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    before, _, after = line.partition(" -> ")
    assert '"low": -3.0, "high": 3.0' in before
    assert '"low": -3.0, "high": 5.0' in after


@pytest.mark.parametrize("more", ["trials: 40", "trials: 2", "budget: 2h", "confirm: {top: 2}", "first: [{effect: 1}]"])
def test_the_target_and_the_confirmation_may_change(store: Store, study: Study, tmp_path: Path, more: str) -> None:
    text = f"{{space: {SPACE}, {more}}}"
    asked = toy_search(tmp_path, text).model_copy(update={"created": "2027-01-01T00:00:00+00:00"})
    later = prepare(store, asked)
    assert later == store.load_study("toys")
    assert (later.trials, later.budget_s, later.confirm) == (asked.trials, asked.budget_s, asked.confirm)
    assert later.created == study.created  # what the trials' storage calls it
    assert later.first == study.first  # it was queued when the study was made


def test_replan_archives_the_study_with_its_trials(store: Store, study: Study, tmp_path: Path) -> None:
    (store.paths.study("toys").folder / "journal.log").write_text("trials\n")
    asked = toy_search(tmp_path, f"{{space: {SPACE}, objectives: loss}}")
    assert resolve_study(store, asked, replan=True) == (asked, True)
    assert store.load_study("toys") == study  # settling writes nothing
    assert prepare(store, asked, replan=True) == store.load_study("toys") == asked
    old = store.paths.earlier_study("toys", 1)
    assert (old / "journal.log").read_text() == "trials\n"
    assert read_sealed(old / "search.json", Study) == study
    assert not store.paths.study("toys").journal.exists()
    prepare(store, study, replan=True)
    assert store.paths.earlier_study("toys", 2).is_dir()
    assert store.study_names() == ["toys"]


def test_a_study_with_trials_in_training_is_not_archived(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, SEARCH))
    taken = broker.ask(watch())
    assert taken is not None
    asked = toy_search(tmp_path, f"{{space: {SPACE}, objectives: loss}}").model_copy(update={"created": "2027-01-01"})
    with taken.lease:
        with pytest.raises(StoreError, match=r"toys: trial 0 is being trained on .*; stop the search's workers before --replan"):
            prepare(store, asked, replan=True)
        assert store.load_study("toys") == broker.study
    assert prepare(store, asked, replan=True) == asked


def test_a_trial_of_another_machine_counts_as_trained_until_its_lease_is_old(store: Store, tmp_path: Path) -> None:
    broker = begun(store, toy_search(tmp_path, SEARCH))
    taken = broker.ask(watch())
    assert taken is not None
    lease = broker.paths.trial(0) / f"lease.{taken.lease.number}"
    lease.write_bytes(lease.read_bytes().replace(watch().here.machine.encode(), b"another"))
    assert in_training(broker.paths, watch()) is not None
    os.utime(lease, (0, 0))
    assert in_training(broker.paths, watch()) is None


def test_of_several_first_starts_one_creates_the_study(store: Store, tmp_path: Path) -> None:
    asked = [toy_search(tmp_path, SEARCH).model_copy(update={"created": f"2026-01-0{day}"}) for day in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: prepare(store, one), asked))
    assert len({study.created for study in found}) == 1
    assert store.load_study("toys") in found


def test_without_a_stored_study_nothing_is_archived(store: Store, tmp_path: Path) -> None:
    asked = toy_search(tmp_path, SEARCH)
    assert prepare(store, asked, replan=True) == asked
    assert not store.paths.earlier_study("toys", 1).exists()


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', "[]"])
def test_a_damaged_file_is_reported_and_the_other_searches_are_read(
    store: Store, study: Study, tmp_path: Path, text: str
) -> None:
    other = prepare(store, toy_search(tmp_path, SEARCH, name="others"))
    path = store.paths.study(study.name).spec
    path.write_text(text)
    with pytest.raises(StoreError) as caught:
        store.load_study(study.name)
    assert str(path) in str(caught.value)
    found, errors = store.load_studies()
    assert found == [other]
    assert [str(error) for error in errors] == [str(caught.value)]
    with pytest.raises(StoreError):
        prepare(store, study)
    assert path.read_text() == text
