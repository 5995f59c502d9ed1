"""A worker whose results folder does not respond for a while, or is full."""

import errno
import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest

from harness import worker
from harness.common.stopping import Stop
from harness.errors import Interrupted, StoreError
from harness.execution import worker_loop
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.store import atomic


def states(store, plan):
    return [record.state for record in store.records(run.id for run in plan.runs).values()]


def failing(monkeypatch, times, number):
    """The first looks at a run's standing fail, as they do on a shared folder that is away."""
    calls, whole = count(1), worker.Store.record

    def record(*arguments):
        if next(calls) <= times:
            error = OSError(number, os.strerror(number))
            raise atomic.unusable(Path("lease.1"), "be read", error) from error
        return whole(*arguments)

    monkeypatch.setattr(worker.Store, "record", record)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
def test_a_shared_folder_that_is_briefly_unavailable_stops_no_worker(store, toy_plan, monkeypatch, capsys, number):
    plan = toy_plan()
    store.save_plan(plan)
    failing(monkeypatch, 30, number)
    assert PlanWorker(store, plan, WorkerOptions(poll_s=0.001), Stop()).work() == 0
    assert states(store, plan) == ["completed"]
    assert capsys.readouterr().err.count("trying again") == 1


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, Interrupted), (errno.EACCES, StoreError)])
def test_a_shared_folder_that_stays_unavailable_stops_the_worker(store, toy_plan, monkeypatch, number, raised):
    monkeypatch.setattr(worker_loop, "GIVE_UP_S", 0.05)
    failing(monkeypatch, 10**9, number)
    with pytest.raises(raised, match=r"lease.1: cannot be read"):
        PlanWorker(store, toy_plan(), WorkerOptions(poll_s=0.001), Stop()).work()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_stops_the_worker_with_a_message_and_the_run_resumes_later(toy_plan, tmp_path, capsys):
    full = tmp_path / "full"
    full.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(full)], capture_output=True, check=False
    ).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        store = worker.Store.open(full / "results")
        plan = toy_plan({"base": {"epochs": 5}}, seeds=2)
        path = str(store.save_plan(plan))
        assert worker.main([path, "--only", "base"]) == 0
        shutil.rmtree(store.paths.run(plan.runs[1].id).folder)
        free = os.statvfs(full)
        (full / "ballast").write_bytes(bytes(free.f_bavail * free.f_bsize))
        assert worker.main([path]) == 2
        told = capsys.readouterr().err
        assert told
        assert "Traceback" not in told
        assert list(full.rglob("*.tmp")) == []
        assert states(store, plan)[0] == "completed"
        (full / "ballast").unlink()
        assert worker.main([path]) == 0
        assert states(store, plan) == ["completed", "completed"]
    finally:
        subprocess.run(["umount", str(full)], check=True)
