"""`harness status` of searches and of the stages of an experiment, and other commands on their runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import TESTS, PlanMaker
from examples import changed

from harness import status, sweep, sync, verify
from harness.experiment import load_experiment
from harness.experiment.plan import Selection
from harness.search.broker import TrialBroker
from harness.search.reconcile import prepare
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store
from harness.store.trial_runs import Membership, memberships

SEARCH = """
question: How far does a toy walk?
task: toy_task:TOY
margin: 1
search: {space: {effect: {range: [1, 3]}}, trials: 2, confirm: {top: 1, seeds: 3}}
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a small search, to its end; for reading only."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "toys.yaml").write_text(SEARCH)
    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]), "WANDB_MODE": "disabled"}
    os.environ.pop("HARNESS_STORAGE", None)
    assert sweep.main([str(folder / "toys.yaml"), "--results", str(folder / "results")]) == 0
    os.environ.clear()
    os.environ.update(before)
    return folder / "results"


def shown(capsys: pytest.CaptureFixture[str], searched: Path, *words: str) -> str:
    assert status.main([*words, "--results", str(searched)]) == 0
    return capsys.readouterr().out


def test_a_search_and_its_stages_are_adjacent_rows(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in shown(capsys, searched).splitlines()[1:]]
    assert [row[:2] for row in rows] == [["toys", "2/2"], ["toys.top", "3/3"], ["toys.final", "6/6"]]
    assert rows[0][5] == "best"


def test_a_search_shows_its_best_trials_and_the_confirmation(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, searched, "toys")
    assert "trials   2 completed" in told
    assert "best trials   score" in told
    assert "score in points" in told
    assert "confirmation searched confirmed seeds" in " ".join(told.split())
    assert "confirmed in points" in told
    document = json.loads(shown(capsys, searched, "toys", "--json"))
    assert (document["name"], document["target"], document["counts"], document["running"]) == ("toys", 2, {"completed": 2}, [])
    assert len(document["trials"]) == 2
    everything = json.loads(shown(capsys, searched, "--json"))
    assert [search["name"] for search in everything["searches"]] == ["toys"]


def test_a_run_names_the_trials_it_is_part_of(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_trials = memberships(Store.open(searched).paths)
    assert sorted(trial for trials in of_trials.values() for trial in trials) == [Membership("toys", 0), Membership("toys", 1)]
    (run_id, *_) = of_trials
    assert f"searches   toys trial {of_trials[run_id][0].number}" in shown(capsys, searched, run_id)


def test_verify_and_sync_include_the_runs_of_trials(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["--results", str(searched)]) == 0
    out = capsys.readouterr().out
    assert "1 search with 2 trials: no problems found" in out
    assert "note" not in out
    assert sync.main(["toys", "--dry-run", "--results", str(searched)]) == 0
    out = capsys.readouterr().out
    assert all(run_id in out for run_id in memberships(Store.open(searched).paths))


def test_a_trials_run_is_repeated_bit_by_bit(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_trials = memberships(Store.open(searched).paths)
    run_id = next(run_id for run_id, trials in of_trials.items() if trials[0].number == 0)
    assert verify.main([run_id, "--retrain", "--json", "--results", str(searched)]) == 0
    (again,) = json.loads(capsys.readouterr().out)["repeated"]
    assert (again["same"], again["epochs"]) == (True, 3)


def test_a_trial_whose_worker_is_gone_is_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "toys.yaml"
    path.write_text(SEARCH)
    store = Store.open(tmp_path / "results")
    prepare(store, sweep.study_of(load_experiment(path)))
    study = store.load_study("toys")
    assert study is not None
    broker = TrialBroker(store.paths.study("toys"), study)
    watch = Watch(Timing(beat_s=0.05), Holder.here())
    held, left = broker.ask(watch), broker.ask(watch)
    assert held is not None
    assert left is not None
    with left.lease:
        pass  # released, and never told of
    with held.lease:
        told = shown(capsys, store.paths.root, "toys")
    assert "running       trial 0   starting" in told
    assert "interrupted   trial 1   starting   resumes when started again" in told


def test_tuning_is_listed_before_its_evidence_and_found_by_the_experiments_name(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence, tuning = toy_plan(name="toys"), toy_plan({"base, steps=3": {"steps": 3}}, name="toys.tuning")
    then = changed(evidence, runs=())
    selection = Selection(
        metric="score",
        goal="maximize",
        groups={"base": ("base, steps=3",)},
        settings={"base, steps=3": {"steps": 3}},
        seeds=1,
        then=then,
    )
    store.save_plan(changed(tuning, selection=selection))
    assert "tuning, 1 of 2: 1 variant x 1 setting x 1 seed" in shown(capsys, store.paths.root, "toys")
    store.save_plan(evidence)
    store.save_plan(toy_plan({"other": {"effect": 3.0}}, name="another"))
    lines = shown(capsys, store.paths.root).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["another", "toys.tuning", "toys"]
