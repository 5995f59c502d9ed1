"""`harness register`: claims of experiments that share runs are registered before any of them is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from examples import toy_rows, write_run

from harness import register
from harness.execution import planning
from harness.execution.planning import plan_experiment
from harness.experiment import load_experiment
from harness.store.records import Store

EXPERIMENT = """
question: Do the {better} toys score higher?
task: toy_task:TOY
variants: {{base: {{}}, {better}: {{effect: {effect}}}}}
baseline: base
seeds: 3
margin: 0.5
claims: [{{improves: {better}}}]
"""
RESULTS = Path("results")


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Experiments that share the runs of their baseline; the current folder is empty but for them."""
    monkeypatch.chdir(tmp_path)
    for better, effect in (("big", 2), ("huge", 3)):
        Path(f"{better}.yaml").write_text(EXPERIMENT.format(better=better, effect=effect))
    return ["big.yaml", "huge.yaml"]


def train(name: str) -> None:
    """The runs of an experiment, with made-up results."""
    store = Store.open(RESULTS)
    plan, _ = plan_experiment(store, load_experiment(name), "cpu")
    for run in plan.runs:
        if not store.has_result(run.id):
            write_run(store, plan, run, toy_rows(50.0 + run.seed), state="completed")


def known(name: str) -> int:
    """The number of results that were known when the experiment's plan was written, as a command that trains it would see it."""
    plan, _ = plan_experiment(Store.open(RESULTS), load_experiment(name), "cpu")
    return len(plan.known or ())


def test_registered_experiments_know_none_of_the_results_that_they_share(
    two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert register.main(two) == 0
    assert capsys.readouterr().out.splitlines() == ["big   1 claim, 6 runs", "huge   1 claim, 6 runs"]
    train("big.yaml")
    assert known("huge.yaml") == 0
    assert register.main(two) == 0
    assert "RETROSPECTIVE" not in capsys.readouterr().out


def test_without_it_the_shared_results_are_known(two: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert register.main(two[:1]) == 0
    train("big.yaml")
    capsys.readouterr()
    assert known("huge.yaml") == 3
    assert register.main(two[1:]) == 0
    assert "3 of 6 results existed before this plan: claims about them are RETROSPECTIVE" in capsys.readouterr().out


def test_nothing_is_written_if_one_of_them_is_wrong(two: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("huge.yaml").write_text("question: Is it?\n")
    assert register.main(two) == 2
    assert "huge.yaml" in capsys.readouterr().err
    assert not RESULTS.exists()


def test_json_and_what_has_no_claims_yet(two: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("tuned.yaml").write_text(
        (EXPERIMENT + "tune: {{space: {{noise: [0.5, 1.0]}}, metric: score}}\n").format(better="big", effect=2)
    )
    assert register.main([*two, "tuned.yaml", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [(plan["name"], plan["claims"], plan["stage"]) for plan in plans] == [
        ("big", 1, "evidence"),
        ("huge", 1, "evidence"),
        ("tuned.tuning", 0, "tuning"),
    ]
    assert register.main(["tuned.yaml"]) == 0
    assert capsys.readouterr().out == "tuned.tuning   1 claim, registered once the settings are chosen, 4 runs\n"


def test_two_files_of_the_same_name_are_refused_and_one_file_counts_once(
    two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other").mkdir()
    Path("other/big.yaml").write_text(EXPERIMENT.format(better="bigger", effect=4))
    assert register.main([*two, "other/big.yaml"]) == 2
    assert "big.yaml and other/big.yaml have the same name, big; rename one of them" in capsys.readouterr().err
    assert not RESULTS.exists()
    assert register.main(["big.yaml", "./big.yaml"]) == 0
    assert capsys.readouterr().out == "big   1 claim, 6 runs\n"


def test_replan_replaces_only_plans_that_have_changed(two: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert register.main(two) == 0
    train("big.yaml")
    Path("huge.yaml").write_text(EXPERIMENT.format(better="huge", effect=4))
    assert register.main(two) == 2
    capsys.readouterr()
    assert register.main([*two, "--replan"]) == 0
    first, changed, warning = capsys.readouterr().out.splitlines()
    assert (first, changed) == ("big   1 claim, 6 runs", "huge   1 claim, 6 runs")
    assert "3 of 6 results existed before this plan" in warning
    assert sorted(path.name for path in (RESULTS / "plans" / "replaced").iterdir()) == ["huge.1.json"]


def test_results_that_come_while_others_are_planned_are_known(two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert register.main(two[:1]) == 0
    calls: list[Any] = []

    def slow(*arguments: Any, **options: Any) -> Any:
        found = plan_experiment(*arguments, **options)
        if not calls:
            train("big.yaml")
        calls.append(arguments)
        return found

    monkeypatch.setattr(planning, "plan_experiment", slow)
    assert register.main(two[1:]) == 0
    assert known("huge.yaml") == 3
