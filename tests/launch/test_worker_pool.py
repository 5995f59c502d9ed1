import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_task import MISSING

from harness.errors import HarnessError
from harness.execution.machine.slots import equal_shares
from harness.execution.options import WorkerOptions
from harness.launch.worker_pool import Workers, plan_target

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
QUICK = WorkerOptions(poll_s=0.05, beat_s=0.1, stale_s=1)


@pytest.fixture
def environment():
    """Lets children find the toy task."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}


def test_children_train_the_plan_and_their_output_is_kept(store, toy_plan, environment):
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(2), options=QUICK, environment=environment) as workers:
        assert workers.wait() == 0
    assert len(workers) == 2
    assert workers.codes == (0, 0)
    assert {record.state for record in store.records(run.id for run in plan.runs).values()} == {"completed"}
    assert sum(log.read_text().count(": started") for log in workers.logs) == 4


def test_a_run_that_kills_its_workers_fails_and_the_others_complete(store, toy_plan, environment):
    plan = toy_plan({"deadly": {"die_at": 1}, "base": {}})
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(1), options=QUICK, environment=environment) as workers:
        assert workers.wait() == 1
    assert [record.state for record in store.records(run.id for run in plan.runs).values()] == ["failed", "completed"]
    assert store.record(plan.runs[0].id).reason == "killed"


def test_a_retry_happens_once_however_many_children_and_restarts(store, toy_plan, environment):
    plan = toy_plan({"broken": {"fail_at": 1}, "base": {}}, seeds=2)
    store.save_plan(plan)
    for options in (QUICK, QUICK.replaced(retry=("failed",))):
        with Workers(store, plan_target(store, plan), equal_shares(2), options=options, environment=environment) as workers:
            assert workers.wait() == 1
    for run in plan.runs[::2]:
        assert len(list(store.paths.run(run.id).folder.glob("result.*.json"))) == 1


def test_bad_input_comes_back_as_one_line_for_people(store, toy_plan, environment):
    plan = toy_plan({"base": {"data": "missing"}})
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(2), options=QUICK, environment=environment) as workers:
        assert workers.wait() == 2
    assert workers.errors() == (MISSING,)


@pytest.fixture
def pool(store, toy_plan, environment, tmp_path):
    """Makes workers of a plan whose Python runs some code of the test's first."""

    def make(code, count=1, **options):
        (tmp_path / "sitecustomize.py").write_text(code)
        plan = toy_plan()
        store.save_plan(plan)
        paths = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
        options = WorkerOptions(**options)
        return Workers(
            store,
            plan_target(store, plan),
            equal_shares(count),
            options=options,
            environment={**environment, "PYTHONPATH": paths},
        )

    return make


def test_an_error_of_the_harness_itself_comes_back_with_the_end_of_the_log(pool):
    with pool("from harness.store.records import Store\nStore.open = lambda *_, **__: 1 // 0\n") as workers:
        assert workers.wait() == 2
    (complaint,) = workers.errors()
    assert complaint.startswith(f"worker 0 stopped with an error; see {workers.logs[0]}\n")
    assert complaint.endswith("\nZeroDivisionError: integer division or modulo by zero")


@pytest.mark.parametrize(
    ("code", "cause", "starts"),
    [
        ("import sys\nsys.modules['harness'] = None\n", "exit code 1", 1),  # Python's own
        ("import os\nos._exit(127)\n", "exit code 127", 1),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "killed by signal 9", 3),
    ],
)
def test_children_that_cannot_start_are_not_restarted_and_reported_once(pool, tmp_path, code, cause, starts):
    note = f"open({str(tmp_path / 'starts')!r}, 'a').write('.')\n"
    with pool(note + code, count=2) as workers:
        assert workers.wait() == 2
    assert workers.codes == (2, 2)
    (complaint,) = workers.errors()
    assert complaint.startswith(f"worker 0 cannot start ({cause}); see {workers.logs[0]}")
    assert ("ModuleNotFoundError" in complaint) == (cause == "exit code 1")
    assert len((tmp_path / "starts").read_text()) == 2 * starts


def test_a_missing_python_is_not_reported_as_an_unwritable_log(pool, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(HarnessError, match="cannot start a worker: /no/such/python: No such file"):
        pool("").start()


def test_a_task_that_ends_its_process_fails_its_run_and_not_the_others(store, toy_plan, environment, tmp_path):
    ending = "import os, toy_task\nwhole = toy_task.Walk.advance\n"
    ending += "toy_task.Walk.advance = lambda walk, pause: os._exit(1) if walk.config.effect else whole(walk, pause)\n"
    (tmp_path / "sitecustomize.py").write_text(ending)
    plan = toy_plan({"base": {}, "fatal": {"effect": 1.0}})
    store.save_plan(plan)
    paths = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    with Workers(
        store, plan_target(store, plan), equal_shares(1), options=QUICK, environment={**environment, "PYTHONPATH": paths}
    ) as workers:
        assert workers.wait() == 1
    assert [record.state for record in store.records(run.id for run in plan.runs).values()] == ["completed", "failed"]


def test_stopping_loses_nothing_and_is_reported(store, toy_plan, environment):
    plan = toy_plan({"base": {"sleep": 0.02, "steps": 5000}}, seeds=2)
    store.save_plan(plan)
    with Workers(store, plan_target(store, plan), equal_shares(2), options=QUICK, environment=environment) as workers:
        deadline = time.monotonic() + 60
        while not all(store.paths.run(run.id).provenance.exists() for run in plan.runs):
            assert workers.poll()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers.stop()
        assert workers.wait() == 75
    assert {record.state for record in store.records(run.id for run in plan.runs).values()} == {"interrupted"}


def test_children_that_left_for_lack_of_work_are_restarted(store, toy_plan, environment):
    plan = toy_plan({"slow": {"sleep": 0.25}}, seeds=1)
    store.save_plan(plan)
    workers = Workers(store, plan_target(store, plan), equal_shares(2), options=QUICK.replaced(idle=0), environment=environment)
    workers.start()
    while not workers.codes:
        workers.poll()
        time.sleep(0.05)
    assert workers.codes == (0,)
    workers.restart_idle()
    assert workers.codes == ()
    assert workers.wait() == 0
    assert workers.codes == (0, 0)


def test_a_restarted_child_has_the_remaining_time(pool, tmp_path):
    dying = "import os, signal, sys\nopen('starts', 'a').write(sys.orig_argv[-1] + '\\n')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    with pool(dying.replace("'starts'", repr(str(tmp_path / "starts"))), stop_after=600.0) as workers:
        assert workers.wait() == 2
    left = [json.loads(words)["stop_after"] for words in (tmp_path / "starts").read_text().splitlines()]
    assert len(left) == 3
    assert 600.0 >= left[0] > left[1] > left[2] > 0.0


def test_children_of_a_killed_parent_stop_with_a_checkpoint(store, toy_plan, environment):
    plan = toy_plan({"base": {"sleep": 0.02, "steps": 5000}})
    store.save_plan(plan)
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.execution.machine.slots import equal_shares\n"
        "from harness.launch.worker_pool import Workers, plan_target; from harness.store.records import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "workers = Workers(store, plan_target(store, store.load_plan('toys')), equal_shares(1))\n"
        "workers.start(); workers.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(store.paths.root)], env=environment)
    run = store.paths.run(plan.runs[0].id)
    deadline = time.monotonic() + 60
    while not run.provenance.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    while store.record(plan.runs[0].id).state == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert store.record(plan.runs[0].id).state == "interrupted"
    assert run.checkpoint.exists()
