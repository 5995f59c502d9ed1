"""Searches over a program of several steps: steps are shared by trials, and their failures fail trials."""

import pytest
from searching import begun, worker
from stepped import started, task, written

from harness.execution.retrain import repeat
from harness.experiment import load_experiment
from harness.experiment.study import make_study
from harness.search.check import check_search
from harness.store.check.folder import check_store
from harness.store.trial_runs import steps_of_trials

SEARCH = {"space": {"rate": {"range": [0.0, 2.0]}}, "objectives": "score", "sampler": "random", "trials": 3, "seeds": 2}


@pytest.fixture
def study(tmp_path):
    return make_study(load_experiment(written(tmp_path, task(), search=SEARCH)), created="2026-01-01T00:00:00+00:00")


def scripts(folder):
    return [line.split()[0] for line in started(folder)]


def problems(store, study, trials):
    return [found.what for found in (*check_search(store, study, trials), *check_store(store)[2])]


def test_trials_share_the_steps_of_their_seeds(store, study, tmp_path):
    broker = begun(store, study)
    worker(store, study).work()
    trials = broker.trials()
    assert [trial.state for trial in trials] == ["completed"] * 3
    assert (scripts(tmp_path).count("pretrain"), scripts(tmp_path).count("finetune")) == (2, 6)
    assert problems(store, study, trials) == []
    shared = steps_of_trials(store.paths)
    assert len(shared) == 2
    assert [repeat(store, step).difference.identical for step in shared] == [True, True]
    assert repeat(store, trials[0].runs[1]).difference.identical


def test_a_step_that_fails_fails_its_trials_until_it_is_retried(store, study, tmp_path):
    (tmp_path / "pretrain.breaks").touch()
    broker = begun(store, study)
    worker(store, study).work()
    trials = broker.trials()
    assert [trial.state for trial in trials] == ["failed"] * 3
    assert all("exit: step pretrain (run " in trial.reason for trial in trials)
    assert scripts(tmp_path) == ["pretrain"]  # of the first seed
    assert problems(store, study, trials) == []
    (tmp_path / "pretrain.breaks").unlink()
    worker(store, study, retry=("failed",), retry_before="9").work()
    assert sorted(trial.state for trial in broker.trials() if trial.follows is None) == ["failed"] * 3
    again = [trial for trial in broker.trials() if trial.follows is not None]
    assert [trial.state for trial in again] == ["completed"] * 3
    assert (scripts(tmp_path).count("pretrain"), scripts(tmp_path).count("finetune")) == (3, 6)
    assert problems(store, study, broker.trials()) == []
