"""The loop of a worker, with work that is neither a plan's nor a search's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, Interrupted, StoreError
from harness.execution.options import WorkerOptions
from harness.execution.worker_loop import GIVE_UP_S, RetryBudget, Worker
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.records import Store


def away(number: int = errno.EIO) -> StoreError:
    """What a shared folder gives that is away."""
    try:
        raise OSError(number, os.strerror(number))
    except OSError as error:
        found = atomic.unusable(Path("lease.1"), "be read", error)
        found.__cause__ = error
        return found


class Errands(Worker):
    """Does what is on its list, and notes it."""

    def __init__(
        self, store: Store, errands: Sequence[Exception | None], others: Sequence[Sequence[bool]] = (), idle: float = 0.0
    ) -> None:
        options = WorkerOptions(track="none", poll_s=0.001, idle=idle)
        super().__init__(store, store.paths.plan("errands"), "cpu", options, Stop(), name="errands")
        self.errands, self.answers, self.done = list(errands), list(others), 0

    def prepare(self) -> None:
        assert self.done == 0

    def take(self) -> Callable[[], object] | None:
        return self.run if self.errands else None

    def run(self) -> None:
        if (error := self.errands.pop(0)) is not None:
            raise error
        self.done += 1

    def others(self) -> Sequence[bool]:
        return self.answers.pop(0) if self.answers else []

    def expects_more(self) -> bool:
        return False

    def exit_code(self) -> int:
        return EXIT_OK

    def next_plan(self) -> Plan | None:
        return None


def test_a_worker_does_all_the_work_and_stops(store: Store) -> None:
    worker = Errands(store, [None] * 3)
    assert worker.work() == EXIT_OK
    assert worker.done == 3


def test_a_worker_waits_while_others_may_be_dead_and_stops_once_they_are_known_to_be_alive(store: Store) -> None:
    worker = Errands(store, [], others=[[False], [True, False], [True, True], [False]])
    worker.work()
    assert worker.answers == [[False]]


def test_a_worker_with_an_idle_time_waits_although_others_are_alive(store: Store) -> None:
    worker = Errands(store, [], others=[[True]] * 3, idle=600.0)
    worker.work()
    assert worker.answers == []


def test_a_worker_that_was_asked_to_stop_takes_no_more_work(store: Store) -> None:
    worker = Errands(store, [None])
    worker.stop.request()
    worker.work()
    assert worker.done == 0


def test_an_unreliable_folder_does_not_stop_a_worker(store: Store) -> None:
    worker = Errands(store, [away(), away(), None] * 3)
    worker.work()
    assert worker.done == 3


def test_a_folder_that_does_not_respond_for_an_hour_ends_a_worker_whose_command_continues() -> None:
    now = [0.0]
    budget = RetryBudget(lambda: now[0])
    for now[0] in (0.0, GIVE_UP_S - 1):
        assert budget.allows(away())
    budget.reset()
    now[0] += 1.0
    assert budget.allows(away())
    now[0] += GIVE_UP_S
    with pytest.raises(Interrupted, match="gave up after 60 min, the same command continues") as caught:
        budget.allows(away())
    assert caught.value.exit_code == EXIT_INTERRUPTED


def test_a_full_disk_is_not_waited_for() -> None:
    assert RetryBudget().allows(away(errno.ESTALE))
    assert not RetryBudget().allows(away(errno.ENOSPC))
