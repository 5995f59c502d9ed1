"""Many workers on one study, on each storage: exactly the target, none lost or doubled, whoever is killed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from searching import SPACE, begun, finish, outcomes, postgres, toy_search, worker, workers

from harness.search import Study
from harness.search.desk import Desk
from harness.search.trials import counted
from harness.store.records import Store

DATABASE = pytest.mark.needs("postgres", "/usr/lib/postgresql/*/bin/postgres")


@pytest.fixture(params=["journal", pytest.param("postgresql", marks=DATABASE)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """Where the trials are kept."""
    if request.param == "journal":
        yield None
        return
    pytest.importorskip("psycopg", reason="needs the driver psycopg")
    with postgres(tmp_path) as address:
        yield address


def check(desk: Desk, target: int) -> set[str]:
    """Every trial is over, as many count as were asked for, none is followed by two; the runs."""
    trials = desk.trials()
    own = counted(trials)
    assert len(own) == target
    assert all(trial.state == "completed" for trial in own), [(trial.state, trial.reason) for trial in own]
    assert all(trial.over for trial in trials)
    assert len({trial.number for trial in trials}) == len(trials)
    follows = [trial.follows for trial in trials if trial.follows is not None]
    assert len(follows) == len(set(follows))
    settings = [tuple(trial.values.items()) for trial in own]
    assert len(set(settings)) == len(settings)
    return {run for trial in own for run in trial.runs}


@pytest.mark.slow
def test_eight_workers_end_with_exactly_the_target(store: Store, tmp_path: Path, url: str | None) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 200}}")
    desk = begun(store, study, url)
    with workers(store, study, 8, url) as refill:
        finish(refill)
    runs = check(desk, 200)
    assert len(desk.trials()) == 200
    assert {path.parent.name for path in store.paths.runs.glob("*/result.json")} == runs


@pytest.mark.slow
def test_with_workers_killed_at_random_too_and_the_results_have_the_same_bits(
    store: Store, tmp_path: Path, url: str | None
) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 60}}", config="{epochs: 6, sleep: 0.01}")
    desk = begun(store, study, url)
    with workers(store, study, 4, url) as refill:
        finish(refill, kills=12, chance=random.Random(7))
    runs = check(desk, 60)
    disturbed = outcomes(store, runs)
    alone = Store.open(tmp_path / "undisturbed")
    undisturbed = _again(alone, study, desk)
    assert undisturbed == disturbed


def _again(store: Store, study: Study, desk: Desk) -> object:
    """The outcomes of the same settings, trained one after the other by one worker."""
    first = [dict(trial.values) for trial in counted(desk.trials())]
    same = Study.model_validate({**dict(study), "first": first})
    begun(store, same)
    assert worker(store, same).work() == 0
    return outcomes(store, {run for trial in desk.trials() for run in trial.runs})
