"""Workers of a search that leave while there is more to do are started again, but not for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from searching import SPACE, begun, toy_search, watch

from harness.errors import EXIT_OK
from harness.launch.search_supervisor import _Resumption
from harness.search.broker import Desk, Ending
from harness.store.records import Store


class Crew:
    """Workers that do what they are told each time they are started again, and leave."""

    exit_code = EXIT_OK
    logs = (Path("worker-0.log"),)

    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.times = work, 0

    def refill(self) -> None:
        self.times += 1
        self.work()

    def poll(self) -> bool:
        return True


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return begun(store, toy_search(tmp_path, f"{{space: {SPACE}, sampler: random, trials: 3}}"))


def test_workers_that_begin_nothing_are_started_again_once(desk: Desk) -> None:
    crew = Crew(lambda: None)
    resumption = _Resumption(crew, desk, watch())  # type: ignore[arg-type]  # in the workers' place
    assert resumption.began(stopped=False)
    assert not resumption.began(stopped=False)
    assert crew.times == 1
    assert resumption.complaints == ("the workers leave although the target is not met, and began no trial; see worker-0.log",)


def test_workers_that_get_on_are_started_until_the_target_is_met(desk: Desk) -> None:
    def train_one() -> None:
        ticket = desk.ask(watch())
        assert ticket is not None
        with ticket.lease:
            desk.tell(ticket, Ending("completed", (50.0,)))

    crew = Crew(train_one)
    resumption = _Resumption(crew, desk, watch())  # type: ignore[arg-type]  # in the workers' place
    while resumption.began(stopped=False):
        pass
    assert crew.times == 3
    assert resumption.complaints == ()
