"""What people see who open the storage of a search with Optuna's own tools."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from searching import SPACE, begun, end, toy_search, watch

from harness.experiment.study import Study
from harness.search.storage import open_storage
from harness.search.stored_trials import read_trials, stored_name
from harness.store.paths import StudyPaths
from harness.store.records import Store


def stored(paths: StudyPaths, study: Study, url: str | None) -> optuna.Study:
    """The study as any program of Optuna opens it."""
    return optuna.load_study(study_name=stored_name(study), storage=open_storage(paths, url))


def describes(line: str) -> bool:
    """Whether a line of the journal sets an attribute of the study."""
    operation = json.loads(line)
    return "study_id" in operation and ("user_attr" in operation or "system_attr" in operation)


@pytest.fixture(params=["journal", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/trials.db"


def test_the_study_names_its_objectives_and_says_what_it_is_about(store: Store, tmp_path: Path, url: str | None) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, objectives: [score, loss], trials: 1, seeds: 2}}")
    broker = begun(store, study, url)
    taken = broker.ask(watch())
    assert taken is not None
    broker.record_runs(taken, ["0" * 12, "1" * 12])
    broker.close()
    found = stored(broker.paths, study, url)
    assert found.metric_names == ["score", "loss"]
    assert found.user_attrs["question"] == "How far?"
    assert found.user_attrs["objectives"] == "maximize score, minimize loss"
    assert found.user_attrs["report"] == "reports/toys/index.html in the results folder"
    (trial,) = found.trials
    assert trial.user_attrs == {"runs": ["0" * 12, "1" * 12], "variant": "trial 0", "seeds": [1000, 1001]}


def test_a_search_of_an_earlier_version_is_described_when_it_continues(store: Store, tmp_path: Path) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, trials: 2}}")
    broker = begun(store, study)
    taken = broker.ask(watch())
    assert taken is not None
    end(broker, taken)
    text = broker.paths.journal.read_text()
    lines = [line for line in text.splitlines(keepends=True) if not describes(line)]
    assert len(lines) == len(text.splitlines()) - 5  # names, question, objectives, report, version
    broker.paths.journal.write_text("".join(lines))
    before = read_trials(broker.paths, study)
    assert broker.paths.journal.read_text() == "".join(lines)  # reading writes nothing
    begun(store, study).close()
    again = begun(store, study)
    assert again.trials() == before
    assert sum(map(describes, broker.paths.journal.read_text().splitlines())) == 5  # each once
    assert stored(broker.paths, study, None).metric_names == ["score"]
