"""What reports say of a search that comes with the package, whose file nobody changes where it is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from searched import study_of, trials_of

from harness.experiment import places
from harness.reporting.pages.yaml_texts import configuration
from harness.reporting.phrases.nothing_found import remedies
from harness.search.nothing_found import nothing_found
from harness.store.records import Store


def test_the_best_configuration_extends_it_by_its_name() -> None:
    study = study_of(name="search", experiment="search", file="search")
    text = configuration(study, trials_of(study, 1)[0], confirmed=True)
    assert text.splitlines()[0].endswith("the winner on fresh seeds; save it in experiments/")
    assert "\nextends: search.yaml\n" in text


def test_jobs_have_a_copy_of_the_code_without_the_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "EXPERIMENTS", tmp_path)
    study = study_of(name="search", experiment="search", file="search")
    assert "\nextends: search.yaml\n" in configuration(study, trials_of(study, 1)[0], confirmed=True)


def test_a_space_without_results_is_narrowed_in_a_copy(store: Store) -> None:
    study = study_of(name="search", experiment="search", file="search", trials=1)
    trial = replace(trials_of(study, 1)[0], state="diverged", objectives={}, curve=None)
    found = nothing_found(store, study, [trial])
    assert found is not None
    advice = remedies(found, store.paths.root)[0]
    assert "in your own copy of search (harness init DIR --experiment search makes one) to settings that train" in advice
    assert ", then: harness sweep search --device cpu" in advice
