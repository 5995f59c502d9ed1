import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.execution.machine.slots import equal_shares
from harness.execution.options import WorkerOptions
from harness.launch import early_worker
from harness.launch.worker_pool import Workers, plan_target

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
QUICK = WorkerOptions(poll_s=0.05, beat_s=0.1, stale_s=1)


@pytest.fixture
def early(monkeypatch):
    """Starts a worker early; also on a machine with one processor."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.setattr(early_worker, "cpus", lambda: 2)
    with early_worker.early_worker():
        (process,) = early_worker._waiting
        yield process
    assert process.returncode is not None


def trained(store, toy_plan, count=1):
    """The workers that trained a plan of one run, their first processes, and the command in the run's provenance."""
    plan = toy_plan({"base": {}}, seeds=1)
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(count), options=QUICK) as workers:
        first = [child.process.pid for child in workers._children]
        assert workers.wait() == 0
    assert store.record(plan.runs[0].id).state == "completed"
    return first, workers, json.loads(store.paths.run(plan.runs[0].id).provenance.read_text())["command"]


def test_the_first_worker_of_a_plan_is_the_one_that_started_early(early, store, toy_plan):
    processes, workers, command = trained(store, toy_plan, count=2)
    assert processes[0] == early.pid
    assert processes[1] != early.pid
    assert ": started" in "".join(log.read_text() for log in workers.logs)
    assert early_worker.WAIT not in command
    assert str(workers.target.path) in command


def test_a_worker_that_died_while_it_waited_is_replaced(early, store, toy_plan):
    early.kill()
    early.wait()
    processes, _, _ = trained(store, toy_plan)
    assert processes != [early.pid]


def test_a_worker_that_dies_before_it_reads_its_arguments_is_replaced(early, store, toy_plan):
    early.send_signal(signal.SIGSTOP)
    plan = toy_plan({"base": {}}, seeds=1)
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(1), options=QUICK) as workers:
        early.kill()
        assert workers.wait() == 0
    assert store.record(plan.runs[0].id).state == "completed"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_worker_without_a_plan_ends_with_the_process_that_started_it(number):
    code = "import time\nfrom harness.launch import early_worker as e\ne.cpus = lambda: 2\n"
    code += "with e.early_worker():\n    print(e._waiting[0].pid, flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(number)
        parent.wait()
    try:
        assert ended(worker)
    finally:
        os.close(worker)


def ended(descriptor):
    """Whether a process, which needs seconds to import, ends within a minute."""
    return bool(select.select([descriptor], [], [], 60.0)[0])
