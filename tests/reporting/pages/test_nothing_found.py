"""A search that is over without a completed trial: how its trials ended, what to do, exit codes, and every place that shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from searched import confirm, keep, study_of, trials_of
from searching import begun, toy_search, worker

from harness import report, status
from harness.errors import EXIT_RUNS_FAILED
from harness.experiment.plan import stage_name
from harness.experiment.study import Study
from harness.launch.search_outcome import SearchOutcome
from harness.reporting.pages import gather_search, markdown, page
from harness.reporting.pages import search_summary as summary
from harness.reporting.phrases.nothing_found import examples, happened, remedies
from harness.search.nothing_found import is_fruitless, nothing_found
from harness.search.trials import Trial
from harness.store.records import Store


def lost(study: Study, *states: str) -> list[Trial]:
    """A trial for each state."""
    found = []
    for trial, state in zip(trials_of(study, len(states)), states, strict=True):
        runs = () if state == "infeasible" else trial.runs
        reason = {"diverged": "loss is nan at epoch 2", "infeasible": "9 parameters, over the bound of 5"}.get(state)
        found.append(replace(trial, state=state, objectives={}, curve=None, runs=runs, reason=reason))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["diverged"] * 10, "all 10 trials diverged"),
        (["infeasible"] * 8, "all 8 trials were out of bounds"),
        (["diverged"], "the only trial diverged"),
        (["diverged", "infeasible", "diverged"], "of 3 trials 2 diverged and 1 was out of bounds"),
    ],
)
def test_it_says_how_the_trials_ended(store: Store, states: list[str], told: str) -> None:
    study = study_of(trials=len(states))
    found = nothing_found(store, study, lost(study, *states))
    assert found is not None
    assert happened(found) == told
    assert all("--replan" in line for line in remedies(found, store.paths.root)[:-1])
    assert f"--trials {2 * len(states)}" in remedies(found, store.paths.root)[-1]


def test_a_search_that_goes_on_or_has_a_completed_trial_has_not_found_nothing() -> None:
    study = study_of(trials=3)
    assert is_fruitless(study, lost(study, "diverged", "diverged", "pruned"))
    assert not is_fruitless(study, lost(study, "diverged", "diverged"))
    assert not is_fruitless(study, lost(study, "diverged", "diverged", "running"))
    assert not is_fruitless(study, lost(study, "diverged", "diverged", "completed"))


def test_the_example_names_its_log(store: Store) -> None:
    study = study_of(trials=2)
    trials = lost(study, "diverged", "infeasible")
    found = nothing_found(store, study, trials)
    assert found is not None
    log = store.paths.run(trials[0].runs[0]).log
    assert examples(found) == [
        f"trial 0 diverged (loss is nan at epoch 2); its log: {log}",
        "trial 1 was out of bounds (9 parameters, over the bound of 5)",
    ]


def test_reports_status_and_the_end_of_the_command_say_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of(trials=2)
    trials = keep(store, study, lost(study, "diverged", "diverged"))
    found = gather_search(store, study)
    assert found.complete
    assert summary.banner(found) == []
    assert "NOTHING FOUND** All 2 trials diverged." in markdown.render_search(found, ())
    html = page.render_search(found, ())
    assert '<span class="tag nothing found">nothing found</span>' in html
    assert "narrow the space in experiments/hunt.yaml" in html
    where = ["--results", str(store.paths.root)]
    assert status.main(where) == 0
    assert "nothing found" in capsys.readouterr().out
    assert status.main(["hunt", *where]) == 0
    assert "NOTHING FOUND: all 2 trials diverged" in capsys.readouterr().out
    assert report.main(["hunt", "--json", *where]) == 0
    (document,) = json.loads(capsys.readouterr().out)["reports"]
    assert (document["standing"], document["nothing_found"]["what"]) == ("nothing found", "all 2 trials diverged")
    assert "All 2 trials diverged." in (store.paths.reports / "index.html").read_text()
    SearchOutcome(EXIT_RUNS_FAILED, (), None, study, trials).show(store.paths.root, as_json=False)
    out, err = capsys.readouterr()
    assert "NOTHING FOUND: all 2 trials diverged" in out
    assert "harness sweep experiments/hunt.yaml --device cpu" in err


def test_best_trials_that_all_diverge_on_fresh_seeds_have_no_winner(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of()
    trials = keep(store, study)
    top = confirm(store, study, trials, final=False)
    for run in top.runs:
        path = store.paths.run(run.id).result
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": "diverged"}))
    found = gather_search(store, study)
    assert found.complete
    said = summary.headline(found)
    assert said.word == "nothing confirmed"
    assert said.sentence.startswith("None of the best 3 trials has a value for every fresh seed: 12 of 12 runs diverged. ")
    assert "--retry diverged" in summary.advice(found)[1]
    assert store.load_plan(stage_name(study.name, "final")) is None
    assert status.main(["hunt", "--results", str(store.paths.root)]) == 0
    assert "trial 0 *" not in capsys.readouterr().out


def test_failed_runs_of_the_confirmation_are_the_headline(store: Store) -> None:
    study = study_of()
    top = confirm(store, study, keep(store, study), final=False)
    path = store.paths.run(top.runs[0].id).result
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "failed", "reason": "oom"}))
    said = summary.headline(gather_search(store, study)).sentence
    assert said.startswith("Not confirmed: 1 of 12 runs on fresh seeds failed (see: harness status hunt")


@pytest.mark.parametrize(("config", "code"), [("{diverge_at: 1}", EXIT_RUNS_FAILED), ("{}", 0)])
def test_a_worker_that_found_nothing_ends_with_1(store: Store, tmp_path: Path, config: str, code: int) -> None:
    study = toy_search(tmp_path, "{space: {effect: {range: [-3, 3]}}, trials: 2}", config)
    begun(store, study).close()
    searching = worker(store, study)
    assert searching.work() == code
    searching.close()
