"""What is wrong with a search is found through the runs of its trials, and said with the number of the trial."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searching import SPACE, begun, toy_search, worker

from harness import report, verify
from harness.experiment.study import Study
from harness.reporting.pages import pictures, search_pictures
from harness.store.records import Store

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a report."""
    monkeypatch.setattr(pictures, "draw", lambda *_: [])
    monkeypatch.setattr(search_pictures, "draw", lambda *_: [])


@pytest.fixture
def study(store: Store, tmp_path: Path) -> Study:
    """A finished search of four trials with two runs each."""
    made = toy_search(tmp_path, f"{{space: {SPACE}, trials: 4, seeds: 2, objectives: score}}")
    begun(store, made)
    active = worker(store, made)
    assert active.work() == 0
    active.close()
    return made


def problems(store: Store, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    verify.main(["--json", "--results", str(store.paths.root)])
    return [f"{Path(each['path']).name}: {each['what']}" for each in json.loads(capsys.readouterr().out)["problems"]]


def edit_event(path: Path, wanted: Callable[[Event], bool], change: Callable[[Event], Any]) -> None:
    """Change the last event of the journal that is `wanted`."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    change([event for event in events if wanted(event)][-1])
    path.write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events))


def test_an_undamaged_search_is_counted_with_its_trials(store: Store, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert verify.main(["--results", str(store.paths.root)]) == 0
    assert "1 search with 4 trials: no problems found" in capsys.readouterr().out
    assert report.main([study.name, "--results", str(store.paths.root)]) == 0


@pytest.mark.parametrize(
    ("code", "field", "value", "what"),
    [
        (6, "values", [99.0], "score 99.0 instead of "),
        (5, "param_value_internal", 1.5, "its values give the run "),
        (5, "param_value_internal", 9.5, "is outside the space of the search"),
        (6, "state", 2, "was told 'completed'"),
        (6, "state", 0, "is stored as running, but its runs have finished"),
    ],
)
def test_an_edited_event_is_found_by_verify_and_by_the_report(  # noqa: PLR0917 - the parameters of the case
    store: Store, study: Study, code: int, field: str, value: Any, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = store.paths.study(study.name).journal
    edit_event(
        journal,
        lambda event: event["op_code"] == code and event.get(field) is not None,
        lambda event: event.update({field: value}),
    )
    assert any(what in each for each in problems(store, capsys)), problems(store, capsys)
    assert report.main([study.name, "--results", str(store.paths.root)]) in (1, 2)


def test_lost_events_are_found_by_the_folders_of_their_trials(
    store: Store, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = store.paths.study(study.name).journal
    lines = journal.read_text().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if json.loads(line)["op_code"] == 4)
    journal.write_text("".join(lines[:last]))
    assert "3: belongs to a trial that the search's storage has lost" in problems(store, capsys)


def test_a_line_that_is_no_event_and_a_journal_of_another_search_are_found(
    store: Store, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = store.paths.study(study.name).journal
    whole = journal.read_text()
    journal.write_text(whole.replace(f"{study.name} ", f"{study.name}x "))
    assert any("it has no trials of" in each for each in problems(store, capsys))
    journal.write_text(whole.replace('"op_code":6', '"op_code":66'))
    assert any(each.startswith("journal.log: ") for each in problems(store, capsys))


def test_runs_that_a_trial_does_not_have_are_found(store: Store, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    paths = store.paths.study(study.name)
    first, second = paths.trial_runs(0), paths.trial_runs(1)
    first.write_text(second.read_text())
    assert "runs.json: names other runs than the trial in journal.log" in problems(store, capsys)


def test_another_base_gives_other_runs(store: Store, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.paths.study(study.name).spec
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "base": {**content["base"], "steps": 5}}))
    assert any("its values give the run" in each for each in problems(store, capsys))


def test_a_database_that_was_not_read_is_not_called_intact(
    store: Store, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    store.paths.study(study.name).journal.unlink()
    capsys.readouterr()
    verify.main(["--results", str(store.paths.root)])
    said = capsys.readouterr().out
    assert "1 search with 0 trials (1 without their trials)" in said
    assert "its trials are in a database and were not checked" in said
