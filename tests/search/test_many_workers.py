"""Many workers on one study, on each storage: exactly the target, none lost or doubled, whoever is killed meanwhile."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
import toy_task
from lengths import LONG
from searching import SPACE, begun, finish, held_by, kill, outcomes, postgres, toy_search, worker, workers

from harness.experiment.study import Study
from harness.search.broker import TrialBroker
from harness.search.reconcile import prepare
from harness.search.trials import counted
from harness.store.provenance import Provenance, Restart
from harness.store.records import Store

pytestmark = pytest.mark.slow

T = TypeVar("T")
DATABASE = pytest.mark.needs("postgres", "/usr/lib/postgresql/*/bin/postgres")


@pytest.fixture(params=["journal", "sqlite", pytest.param("postgresql", marks=DATABASE)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """Where the trials are kept."""
    if request.param == "journal":
        yield None
        return
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/trials.db"
        return
    pytest.importorskip("psycopg", reason="needs the driver psycopg")
    with postgres(tmp_path) as address:
        yield address


def check(broker: TrialBroker, target: int) -> set[str]:
    """As many trials count as were asked for, each is over, nobody trains any more, none is followed by two; the runs."""
    trials = broker.trials()
    own = counted(trials)
    assert len(own) == target
    assert all(trial.state == "completed" for trial in own), [(trial.state, trial.reason) for trial in own]
    assert all(trial.state != "running" for trial in trials)
    assert len({trial.number for trial in trials}) == len(trials)
    follows = [trial.follows for trial in trials if trial.follows is not None]
    assert len(follows) == len(set(follows))
    settings = [tuple(trial.values.items()) for trial in own]
    assert len(set(settings)) == len(settings)
    return {run for trial in own for run in trial.runs}


@pytest.mark.parametrize(("count", "target"), [(3, 12), pytest.param(8, 60 * LONG, marks=pytest.mark.slow)])
def test_workers_that_start_together_meet_the_target_exactly(
    store: Store, tmp_path: Path, url: str | None, count: int, target: int
) -> None:
    study = prepare(store, toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: {target}}}"))
    with workers(store, study, count, url) as refill:
        crew = [process.pid for process in refill()]
        finish(store, refill)
        assert [process.pid for process in refill()] == crew  # none ended badly, to be started again
    with closing(TrialBroker(store.paths.study(study.name), study, url)) as broker:
        runs = check(broker, target)
        assert len(broker.trials()) == target
        assert broker.trials()[0].values == study.first[0]
    assert {path.parent.name for path in store.paths.runs.glob("*/result.json")} == runs


@pytest.mark.slow
def test_with_workers_killed_at_random_too_and_the_results_have_the_same_bits(
    store: Store, tmp_path: Path, url: str | None
) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 40}}", config="{epochs: 6, sleep: 0.03}")
    with closing(begun(store, study, url)) as broker:
        with workers(store, study, 4, url, "--checkpoint-every", "0.05") as refill:
            assert kill(store, study, refill, 10, random.Random(7)) == 10
            finish(store, refill)
        runs = check(broker, 40)
        assert "interrupted" in {trial.state for trial in broker.trials()}
        assert any(start.epoch > 0 for run in runs for start in _restarts(store, run))
        assert _undisturbed(Store.open(tmp_path / "undisturbed"), study, broker) == outcomes(store, runs)


@pytest.mark.slow
@pytest.mark.parametrize("wakes", ["while another trains it", "when all is over"])
def test_a_worker_that_slept_in_the_middle_of_a_trial_changes_nothing(store: Store, tmp_path: Path, wakes: str) -> None:
    study = toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 2}}", config="{epochs: 6, sleep: 0.04}")
    broker = begun(store, study)
    more = ("--checkpoint-every", "0.1")
    with workers(store, study, 1, None, *more, stale_s=1) as asleep:
        (sleeper,) = asleep()
        run = _until(lambda: next(iter(_with_checkpoint(store)), None))
        sleeper.send_signal(signal.SIGSTOP)
        with workers(store, study, 1, None, *more, stale_s=1) as awake:
            if wakes == "when all is over":
                finish(store, awake)
            else:
                (other,) = awake()
                _until(lambda: run in {lease.folder.name for lease in held_by(store, study, other.pid)})
            sleeper.send_signal(signal.SIGCONT)
            finish(store, awake)
            finish(store, asleep)
    runs = check(broker, 2)
    assert run in runs
    assert broker.trials()[0].state == "interrupted"
    assert _undisturbed(Store.open(tmp_path / "undisturbed"), study, broker) == outcomes(store, runs)


def _until(found: Callable[[], T]) -> T:
    """What `found` gives, as soon as it is something."""
    until = time.monotonic() + 120
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return value


def _with_checkpoint(store: Store) -> list[str]:
    return [path.parent.name for path in store.paths.runs.glob("*/checkpoint.pt")]


def _restarts(store: Store, run: str) -> Sequence[Restart]:
    return Provenance.model_validate_json(store.paths.run(run).provenance.read_text()).restarts


def _undisturbed(store: Store, study: Study, broker: TrialBroker) -> object:
    """The outcomes of the same settings, trained one after the other by one worker."""
    first = [dict(trial.values) for trial in counted(broker.trials())]
    same = Study.model_validate({**dict(study), "first": first})
    begun(store, same)
    with pytest.MonkeyPatch.context() as patch:  # nobody disturbs it, so the toy need not be slow enough to be caught at work
        patch.setattr(toy_task.time, "sleep", lambda _: None)
        assert worker(store, same).work() == 0
    return outcomes(store, {run for trial in broker.trials() for run in trial.runs})
