import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import patience
from harness.errors import StoreError
from harness.store import lease
from harness.store.holder import Holder
from harness.store.lease import Lease, Liveness, SupersededError, Timing, Watch, take

TIMING = Timing(beat_s=0.01, stale_s=120.0)


class Clock:
    """A clock that is advanced by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def elsewhere(host="gpu07"):
    return Holder(host=host, machine=f"boot of {host}", pid=4711, process_start="1")


def watch_of(holder=None, clock=None):
    return Watch(TIMING, holder or Holder.here(), clock or Clock())


def test_one_of_two_takers_gets_the_lease(tmp_path):
    first = take(tmp_path, watch_of(elsewhere("a")))
    assert isinstance(first, Lease)
    assert first.number == 1
    assert take(tmp_path, watch_of(elsewhere("b"))) is None


def test_a_released_lease_is_taken_at_once_with_the_next_number(tmp_path):
    with take(tmp_path, watch_of(elsewhere("a"))):
        pass
    second = take(tmp_path, watch_of(elsewhere("b")))
    assert second.number == 2
    assert second.claim.deaths == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2"]


def test_a_counter_that_does_not_change_for_the_stale_time_frees_the_lease(tmp_path):
    clock = Clock()
    watch = watch_of(elsewhere("b"), clock)
    assert take(tmp_path, watch_of(elsewhere("a"))) is not None
    assert take(tmp_path, watch) is None
    clock.now += TIMING.stale_s - 1
    assert take(tmp_path, watch) is None
    clock.now += 1
    assert take(tmp_path, watch).number == 2


def test_every_beat_starts_the_stale_time_again(tmp_path):
    clock = Clock()
    watch = watch_of(elsewhere("b"), clock)
    held = take(tmp_path, watch_of(elsewhere("a")))
    for _ in range(3):
        assert take(tmp_path, watch) is None
        clock.now += TIMING.stale_s - 1
        held.beat()
    assert take(tmp_path, watch) is None
    assert watch.liveness(lease.newest(tmp_path)) is Liveness.ALIVE


def test_a_holder_elsewhere_is_unknown_until_its_counter_moved(tmp_path):
    watch = watch_of()
    held = take(tmp_path, watch_of(elsewhere()))
    assert watch.liveness(lease.newest(tmp_path)) is Liveness.UNKNOWN
    held.beat()
    assert watch.liveness(lease.newest(tmp_path)) is Liveness.ALIVE


def test_at_a_single_look_the_files_age_decides_whether_a_holder_elsewhere_is_gone(tmp_path):
    take(tmp_path, watch_of(elsewhere()))
    assert not watch_of().seems_gone(lease.newest(tmp_path))
    os.utime(lease.newest(tmp_path).folder / "lease.1", (0, 0))
    assert watch_of().liveness(lease.newest(tmp_path)) is Liveness.UNKNOWN
    assert watch_of().seems_gone(lease.newest(tmp_path))


def test_a_dead_process_of_this_machine_frees_its_lease_at_once(tmp_path):
    script = "import os; from harness.store.holder import Holder; print(Holder.here().model_dump_json())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    dead = Holder.model_validate_json(done.stdout)
    assert take(tmp_path, watch_of(dead)) is not None
    assert take(tmp_path, watch_of()).number == 2


def test_a_reused_process_id_is_recognised_by_its_start_time(tmp_path):
    here = Holder.here()
    before = Holder.model_validate({**dict(here), "process_start": "1"})
    assert before.is_dead_here(here)
    assert not here.is_dead_here(here)
    assert take(tmp_path, watch_of(before)) is not None
    assert take(tmp_path, watch_of(here)).number == 2


def test_a_superseded_holder_cannot_write(tmp_path):
    clock = Clock()
    watch = watch_of(elsewhere("b"), clock)
    paused = take(tmp_path, watch_of(elsewhere("a")))
    assert paused.check() is None
    assert take(tmp_path, watch) is None
    clock.now += TIMING.stale_s
    assert take(tmp_path, watch) is not None
    with pytest.raises(SupersededError, match="taken over"):
        paused.check()
    assert paused.lost


def test_a_superseded_holder_does_not_bring_its_file_back(tmp_path):
    clock = Clock()
    watch = watch_of(elsewhere("b"), clock)
    with take(tmp_path, watch_of(elsewhere("a"))) as paused:
        assert take(tmp_path, watch) is None
        clock.now += TIMING.stale_s
        assert take(tmp_path, watch) is not None
        paused._thread.join(5)
        assert paused.lost
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2"]
    assert not lease.newest(tmp_path).released


def test_a_holder_whose_folder_was_put_away_leaves_the_new_ones_lease_alone(tmp_path):
    folder = tmp_path / "3"
    with take(folder, watch_of(elsewhere("a"))) as asleep:
        folder.rename(tmp_path / "replaced")
        assert take(folder, watch_of(elsewhere("b"))) is not None
    assert asleep.lost
    seen = lease.newest(folder)
    assert (seen.number, seen.beat, seen.released) == (1, 0, False)


def test_a_folder_that_disappears_just_after_taking_is_a_store_error(tmp_path, monkeypatch):
    stat = Path.stat

    def away(path, **options):
        if path.name == "lease.1":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", away)
    with patience.waiting_up_to(0), pytest.raises(StoreError, match=r"lease\.1: cannot be read"):
        take(tmp_path / "3", watch_of(elsewhere("a")))


def test_taking_over_removes_what_the_last_holder_was_writing(tmp_path):
    with take(tmp_path, watch_of(elsewhere("a"))):
        (tmp_path / ".checkpoint.pt.1.0123456789abcdef.tmp").touch()
    assert take(tmp_path, watch_of(elsewhere("b"))) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2"]


def test_a_damaged_lease_counts_as_held_until_it_is_stale(tmp_path):
    (tmp_path / "lease.7").write_bytes(b"\0\0\0")
    clock = Clock()
    watch = watch_of(clock=clock)
    assert take(tmp_path, watch) is None
    clock.now += TIMING.stale_s
    assert take(tmp_path, watch).number == 8


def deaths_of_the_fourth(folder, checkpoints):
    """The number of deaths seen by the last taker after each earlier one died, given the checkpoint that each found."""
    for number, checkpoint in enumerate(checkpoints):
        dead = Holder.model_validate({**dict(Holder.here()), "process_start": str(number)})
        taken = take(folder, watch_of(dead), lambda present=checkpoint: present)
    return taken


def test_three_deaths_at_the_same_checkpoint_wear_a_run_out(tmp_path):
    taken = deaths_of_the_fourth(tmp_path, [None, None, None, None])
    assert taken.claim.deaths == 3
    assert taken.too_many_deaths


def test_a_new_checkpoint_starts_the_count_again(tmp_path):
    taken = deaths_of_the_fourth(tmp_path, [None, None, None, "one"])
    assert taken.claim.deaths == 1
    assert not taken.too_many_deaths


def test_of_many_processes_at_once_exactly_one_gets_each_lease(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.store.holder import Holder; from harness.store.lease import Timing, Watch, take\n"
        "holder = Holder(host='h', machine=sys.argv[2], pid=1, process_start='1')\n"
        "sys.stdin.readline()\n"
        "print(sum(take(Path(sys.argv[1]) / str(i), Watch(Timing(), holder)) is not None for i in range(200)))\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for i in range(3)
    ]
    taken = [int(child.communicate("\n")[0]) for child in children]
    assert sum(taken) == 200


def test_a_glance_reads_only_the_heartbeat_of_the_holder_observed_last(tmp_path):
    clock = Clock()
    watch = watch_of(clock=clock)
    assert watch.glance(tmp_path) is None  # none was observed
    held = take(tmp_path, watch_of(elsewhere("a")))
    assert watch.liveness(lease.newest(tmp_path)) is Liveness.UNKNOWN
    assert watch.glance(tmp_path) is Liveness.UNKNOWN
    held.beat()
    assert watch.glance(tmp_path) is Liveness.ALIVE
    clock.now += TIMING.stale_s
    assert watch.glance(tmp_path) is Liveness.GONE
    held.beat()
    assert watch.glance(tmp_path) is Liveness.ALIVE
    held.beat("free")
    assert watch.glance(tmp_path) is None
    (tmp_path / "lease.1").unlink()
    assert watch.glance(tmp_path) is None


def test_the_link_of_a_taker_that_slept_gives_it_nothing(tmp_path, monkeypatch):
    """The lease was taken, released, and taken again with the next number before it made its link."""
    publish = lease.atomic.publish

    def sleepy(path, data, *, durable):
        monkeypatch.setattr(lease.atomic, "publish", publish)
        with take(tmp_path, watch_of(elsewhere("a"))):
            pass
        assert take(tmp_path, watch_of(elsewhere("b"))).number == 2
        return publish(path, data, durable=durable)

    monkeypatch.setattr(lease.atomic, "publish", sleepy)
    assert take(tmp_path, watch_of(elsewhere("c"))) is None
    assert lease.newest(tmp_path).claim.holder.host == "b"


def test_a_taker_whose_temporary_file_was_removed_by_a_later_holder_has_lost(tmp_path, monkeypatch):
    link = os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        assert take(tmp_path, watch_of(elsewhere("a"))).number == 1  # which removes temporary files
        return link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert take(tmp_path, watch_of(elsewhere("b"))) is None
    assert [path.name for path in tmp_path.iterdir()] == ["lease.1"]
