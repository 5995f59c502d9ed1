"""Whether the workers of running trials are alive: from notices, from leases, and from processes of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.search.holders import BEATS_WITHOUT_NOTICE, TrialHolders
from harness.store import lease as leases
from harness.store.holder import Holder
from harness.store.lease import Lease, Liveness, Timing, Watch
from harness.store.paths import StudyPaths
from harness.store.records import Store

TIMING = Timing(beat_s=15.0, stale_s=120.0)
ELSEWHERE = Watch(TIMING, Holder.here().model_copy(update={"machine": "another machine", "host": "another"}))


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paths(store: Store) -> StudyPaths:
    return store.paths.study("toys")


@pytest.fixture
def here(clock: Clock) -> Watch:
    return Watch(TIMING, Holder.here(), clock)


def held(paths: StudyPaths, number: int, by: Watch) -> Lease:
    lease = leases.take(paths.trial(number), by)
    assert lease is not None
    return lease


def beats(lease: Lease) -> None:
    """The holder's heartbeat, which its thread sends otherwise."""
    lease.beat()


def forget_leases(paths: StudyPaths, count: int) -> None:
    """Make it visible whether a lease is read: without its file, its holder is gone."""
    for number in range(count):
        for file in paths.trial(number).glob("lease.*"):
            file.unlink()


def taken_elsewhere(paths: StudyPaths, clock: Clock, here: Watch) -> tuple[TrialHolders, TrialHolders, Lease]:
    """Trial 0, taken on another machine, with a notice: what this process knows of it, what the other one does, and the lease."""
    mine, other = (TrialHolders(paths, machine, clock) for machine in (here.here.machine, ELSEWHERE.here.machine))
    lease = held(paths, 0, ELSEWHERE)
    other.took(0)
    assert mine.liveness([0], here) == {0: Liveness.ALIVE}
    return mine, other, lease


def test_a_worker_that_posts_notices_is_alive_and_its_lease_is_not_read(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    mine, other = (TrialHolders(paths, machine, clock) for machine in (here.here.machine, ELSEWHERE.here.machine))
    for number in range(3):
        held(paths, number, ELSEWHERE)
        other.took(number)
    forget_leases(paths, 3)
    for _ in range(5):
        clock.now += BEATS_WITHOUT_NOTICE * TIMING.beat_s / 3
        assert mine.liveness(range(3), here) == dict.fromkeys(range(3), Liveness.ALIVE)
        for number in range(3):
            other.announce(number)


def test_without_recent_notices_one_lease_is_read_a_look(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    holders = TrialHolders(paths, here.here.machine, clock)
    for number in range(3):
        held(paths, number, ELSEWHERE)
    assert holders.liveness(range(3), here) == dict.fromkeys(range(3), Liveness.UNKNOWN)
    forget_leases(paths, 3)
    gone = [list(holders.liveness(range(3), here).values()).count(Liveness.GONE) for _ in range(3)]
    assert gone == [1, 2, 3]


def test_without_notices_a_moving_lease_shows_that_its_holder_is_alive(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    holders = TrialHolders(paths, here.here.machine, clock)
    lease = held(paths, 0, ELSEWHERE)
    assert holders.liveness([0], here) == {0: Liveness.UNKNOWN}
    beats(lease)
    clock.now += TIMING.beat_s
    assert holders.liveness([0], here) == {0: Liveness.ALIVE}
    clock.now += TIMING.stale_s
    assert holders.liveness([0], here) == {0: Liveness.GONE}


def test_a_worker_without_notices_is_gone_once_its_lease_has_not_changed_for_long(
    paths: StudyPaths, clock: Clock, here: Watch
) -> None:
    mine, _, _ = taken_elsewhere(paths, clock, here)
    clock.now += BEATS_WITHOUT_NOTICE * TIMING.beat_s
    assert mine.liveness([0], here) == {0: Liveness.UNKNOWN}
    clock.now += TIMING.stale_s
    assert mine.liveness([0], here) == {0: Liveness.GONE}


def test_a_trial_that_is_left_is_seen_at_the_next_look(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    mine, other, lease = taken_elsewhere(paths, clock, here)
    lease.beat("free")
    other.left(0)
    assert mine.liveness([0], here) == {0: Liveness.GONE}


def test_lost_notices_do_no_harm(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    mine, other, lease = taken_elsewhere(paths, clock, here)
    lease.beat("free")
    other.left(0)
    mine.notices.path.unlink()
    clock.now += BEATS_WITHOUT_NOTICE * TIMING.beat_s
    assert mine.liveness([0], here) == {0: Liveness.GONE}


def test_a_killed_process_of_this_machine_is_gone_at_once(paths: StudyPaths, clock: Clock, here: Watch) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    start = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    near = Watch(TIMING, here.here.model_copy(update={"pid": process.pid, "process_start": start}))
    mine, other = TrialHolders(paths, here.here.machine, clock), TrialHolders(paths, near.here.machine, clock)
    held(paths, 0, near)
    other.took(0)
    assert mine.liveness([0], here) == {0: Liveness.ALIVE}
    assert not mine.something_changed_here(here)
    process.kill()
    process.wait()
    assert mine.something_changed_here(here)
    assert mine.liveness([0], here) == {0: Liveness.GONE}
