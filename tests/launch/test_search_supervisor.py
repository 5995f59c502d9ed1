"""Workers of a search that leave while there is more to do are started again, but not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching import SPACE, begun, toy_search, watch

from harness.errors import EXIT_BAD_INPUT, EXIT_OK
from harness.launch.search_supervisor import StudyTrials
from harness.search.broker import TrialBroker, TrialOutcome
from harness.store.records import Store


class Left:
    """Workers that have left."""

    alive = False
    logs = (Path("worker-0.log"),)

    def __init__(self, exit_code: int = EXIT_OK) -> None:
        self.exit_code = exit_code


@pytest.fixture
def broker(store: Store, tmp_path: Path) -> TrialBroker:
    return begun(store, toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 3}}"))


def needed(work: StudyTrials, workers: Left | None = None) -> bool:
    return work.needs_workers(work.read(), workers or Left())  # type: ignore[arg-type]  # in the workers' place


def test_workers_without_progress_are_restarted_once(store: Store, broker: TrialBroker) -> None:
    work = StudyTrials(store, broker, watch())
    assert needed(work)
    assert not needed(work)
    assert work.errors == ("the workers stopped before the target was met and started no trial; see worker-0.log",)


def test_workers_that_stopped_with_an_error_are_not_restarted(store: Store, broker: TrialBroker) -> None:
    work = StudyTrials(store, broker, watch())
    assert not needed(work, Left(EXIT_BAD_INPUT))
    assert work.errors == ()


def test_workers_with_progress_are_restarted_until_the_target_is_met(store: Store, broker: TrialBroker) -> None:
    work, times = StudyTrials(store, broker, watch()), 0
    while needed(work):
        times += 1
        taken = broker.ask(watch())
        assert taken is not None
        with taken.lease:
            broker.tell(taken, TrialOutcome("completed", (50.0,)))
    assert times == 3
    assert work.errors == ()
