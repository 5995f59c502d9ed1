"""One worker of a search on the toy task: how its trials end."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import toy_task
from conftest import TESTS
from searching import SPACE, begun, toy_search, worker

from harness import sweep
from harness import worker as command
from harness.errors import Interrupted, StoreError
from harness.execution import worker_loop
from harness.experiment.plan import Plan, stage_name
from harness.search.broker import TrialBroker
from harness.search.confirmation_plans import archived_plans
from harness.search.trials import NEVER_MEASURED, Trial, counted
from harness.store import atomic
from harness.store.records import Store

pytestmark = pytest.mark.slow


def searched(store: Store, folder: Path, search: str, config: str = "{}") -> list[Trial]:
    study = toy_search(folder, search, config)
    broker = begun(store, study)
    worker(store, study).work()
    return broker.trials()


def test_a_trial_that_violates_a_bound_is_never_trained(store: Store, tmp_path: Path) -> None:
    search = "{space: {steps: {range: [1, 9]}}, constraints: {parameters: {at_most: 4}}, sampler: random, trials: 8}"
    trials = searched(store, tmp_path, search)
    for trial in trials:
        assert trial.state == ("infeasible" if int(trial.values["steps"]) > 4 else "completed")
        assert bool(trial.runs) == (trial.state == "completed")
    assert {trial.state for trial in trials} == {"infeasible", "completed"}


def test_the_same_configuration_is_trained_once(store: Store, tmp_path: Path) -> None:
    trials = searched(store, tmp_path, "{space: {steps: {range: [3, 4]}}, sampler: random, trials: 6}")
    assert all(trial.state == "completed" for trial in trials)
    assert len(list(store.paths.runs.glob("*/result.json"))) == 2


def test_each_trial_has_a_run_for_every_seed(store: Store, tmp_path: Path) -> None:
    trials = searched(store, tmp_path, f"{{space: {SPACE}, seeds: 2, trials: 2}}")
    assert [len(trial.runs) for trial in trials] == [2, 2]
    first, second = (store.result(run) for run in trials[0].runs)
    assert first is not None
    assert second is not None
    assert trials[0].objectives["score"] == (first.metrics["score"] + second.metrics["score"]) / 2  # type: ignore[operator]


def test_a_stop_in_the_last_step_leaves_the_confirmation_to_the_next_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, trials: 2, confirm: {{top: 2, seeds: 3}}}}")
    begun(store, study)
    spec, ends, whole = str(store.paths.study(study.name).spec), count(1), toy_task.Walk.predictions

    def predictions(walk: toy_task.Walk) -> Mapping[str, Any]:
        if next(ends) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(walk)

    monkeypatch.setattr(toy_task.Walk, "predictions", predictions)
    assert command.main([spec]) == 75
    assert len(list(store.paths.runs.glob("*/result.json"))) == 2
    assert command.main([spec]) == 0
    assert len(list(store.paths.runs.glob("*/result.json"))) > 2


TWO = f"{{space: {SPACE}, first: [{{effect: 3, noise: 1}}, {{effect: 2, noise: 1}}], trials: 3, confirm: {{top: 2, seeds: 3}}}}"


def confirmed_without_the_best(store: Store, spec: str) -> Plan:
    """A search is confirmed to the end; of the best trial a run diverged, so that the second one won. The last plan."""
    assert command.main([spec]) == 0
    best = store.load_plan("toys.top")
    assert best is not None
    result = store.paths.run(best.runs[0].id).result
    result.write_text(json.dumps({**json.loads(result.read_text()), "state": "diverged"}))
    store.paths.plan("toys.final").unlink()
    assert command.main([spec]) == 0
    final = store.load_plan("toys.final")
    assert final is not None
    assert final.chosen is not None
    assert final.chosen.variants["winner"] != best.runs[0].variant
    return final


@pytest.mark.parametrize("by", ["worker", "sweep"])
def test_another_winner_after_a_retry_is_confirmed_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    study = toy_search(tmp_path, TWO)
    begun(store, study)
    spec = str(store.paths.study(study.name).spec)
    old = confirmed_without_the_best(store, spec)
    results = ["--results", str(store.paths.root), "--track", "none"]
    main, words = (command.main, [spec]) if by == "worker" else (sweep.main, [str(tmp_path / "toys.yaml"), *results])
    assert main([*words, "--retry", "diverged"]) == 0
    assert len(archived_plans(store, study)) == 1
    final = store.load_plan(stage_name(study.name, "final"))
    assert final is not None
    assert not {run.seed for run in final.runs} & {run.seed for run in old.runs}
    assert {record.state for record in store.records(run.id for run in final.runs).values()} == {"completed"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, times: int, number: int) -> None:
    """The first calls of a method of the broker fail, as they do on a shared folder that is away."""
    calls, whole = count(1), getattr(TrialBroker, name)

    def call(*arguments: Any) -> Any:
        if next(calls) <= times:
            error = OSError(number, os.strerror(number))
            raise atomic.unusable(Path("search.json"), "be read", error) from error
        return whole(*arguments)

    monkeypatch.setattr(TrialBroker, name, call)


@pytest.mark.parametrize("away", [("ask", 30), ("record_epochs", 1), ("tell", 1), ("latest", 30)])
def test_a_shared_folder_that_is_briefly_unavailable_stops_no_worker(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], away: tuple[str, int]
) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, pruner: median, trials: 3}}")
    broker = begun(store, study)
    failing(monkeypatch, *away, errno.EIO)
    assert worker(store, study, poll_s=0.001).work() == 0
    assert [trial.state for trial in counted(broker.trials())] == ["completed"] * 3
    assert len(list(store.paths.runs.glob("*/result.json"))) == 3
    assert capsys.readouterr().err.count("trying again") == 1


@pytest.mark.parametrize(("number", "raised"), [(errno.ESTALE, Interrupted), (errno.EACCES, StoreError)])
def test_a_shared_folder_that_stays_unavailable_stops_the_worker(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    monkeypatch.setattr(worker_loop, "GIVE_UP_S", 0.05)
    study = toy_search(tmp_path, f"{{space: {SPACE}, trials: 3}}")
    begun(store, study)
    failing(monkeypatch, "ask", 10**9, number)
    with pytest.raises(raised, match=r"search\.json: cannot be read"):
        worker(store, study, poll_s=0.001).work()


def test_diverged_trials_count(store: Store, tmp_path: Path) -> None:
    trials = searched(store, tmp_path, f"{{space: {SPACE}, trials: 2}}", "{diverge_at: 2}")
    assert [trial.state for trial in trials] == ["diverged", "diverged"]


def test_an_objective_that_nothing_measures_ends_the_search_and_no_retry_is_advised(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = f"{{space: {SPACE}, sampler: random, objectives: score_fluctuation, trials: 20}}"
    trials = searched(store, tmp_path, search, "{epochs: 1}")
    assert [trial.reason for trial in trials] == ["output: the runs measured no score_fluctuation"] * 3
    assert not any(trial.retriable for trial in trials)
    said = capsys.readouterr().err
    assert "all trials so far failed with the same error" in said
    assert NEVER_MEASURED in said
    assert "--retry" not in said
