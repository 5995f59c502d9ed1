"""Which runs a mirror shows, and from when to when: its own, by their leases and files. The client is a toy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PlanMaker
from mirrors import OTHER, ToyClient, ended, in_training, train, unended

from harness.execution.retry import reset_runs
from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.provenance import Provenance
from harness.store.records import Store
from harness.store.trial_runs import write_trial_runs
from harness.tracking.client import Hardware
from harness.tracking.mirror import Mirror, Runs
from harness.tracking.session import Session
from harness.tracking.uploader import Uploader


def session(plan: Plan) -> Session:
    return Session(target=f"plans/{plan.name}.json", starter=Holder.here())


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """Three runs that this process trained."""
    made = toy_plan(seeds=3)
    train(store, made)
    return made


@pytest.fixture
def client() -> ToyClient:
    return ToyClient()


@pytest.fixture
def mirror(store: Store, plan: Plan, client: ToyClient) -> Mirror:
    """A mirror in a process that is not the one of the workers."""
    return toy_mirror(store, plan, client)


def toy_mirror(store: Store, plan: Plan, client: ToyClient) -> Mirror:
    here = Holder.model_validate({**dict(Holder.here()), "pid": 1})
    return Mirror(store, session(plan), Uploader(store, client, print), here)  # type: ignore[arg-type]  # a toy


def test_many_runs_are_polled_in_turn_and_only_changed_ones_are_reported(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=50)
    store.save_plan(plan)
    ids = [run.id for run in plan.runs]
    runs = Runs(store, session(plan))
    assert runs.ids() == ids
    assert not list(runs.changed())
    for run_id in ids:
        store.paths.run(run_id).folder.mkdir()
    assert [run_id for _ in range(5) for run_id in runs.changed(10)] == ids
    assert list(runs.changed()) == ids  # a clock may stand still for a moment: once more
    assert not list(runs.changed())
    in_training(store, ids[7])
    assert list(runs.changed()) == [ids[7]]


def test_the_runs_of_a_searchs_trials_are_found_as_they_are_given_out(store: Store) -> None:
    runs = Runs(store, Session(target="studies/search/search.json", starter=Holder.here()))
    assert not runs.ids()
    study = store.paths.study("search")
    write_trial_runs(study, 0, ["a" * 12])
    study.trial(1).mkdir()
    assert runs.ids() == ["a" * 12]
    write_trial_runs(study, 1, ["b" * 12, "a" * 12])
    assert runs.ids() == ["a" * 12, "b" * 12]


def test_a_run_is_shown_from_its_start_to_its_end(store: Store, plan: Plan, mirror: Mirror, client: ToyClient) -> None:
    run_id = plan.runs[0].id
    rows = unended(store, run_id, 1)
    with in_training(store, run_id):
        mirror.poll()
        assert (client.states[run_id], client.rows[run_id], mirror.training) == ("running", 1, True)
        ended(store, run_id, rows)
        mirror.poll()
        assert (client.states[run_id], client.rows[run_id]) == ("running", 3)
    mirror.poll()
    assert (client.states[run_id], client.rows[run_id], mirror.training) == ("completed", 3, False)
    assert sorted(client.opened) == sorted(run.id for run in plan.runs)  # the others had ended before
    mirror.poll()
    assert mirror.finish()
    assert len(client.opened) == 3


def child(pid: int) -> Holder:
    """A worker that this process has started."""
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return Holder.model_validate({**dict(Holder.here()), "pid": pid, "process_start": start, "parent": os.getpid()})


def test_a_run_whose_worker_was_killed_is_shown_as_interrupted_and_resumes(
    store: Store, plan: Plan, mirror: Mirror, client: ToyClient
) -> None:
    run_id = plan.runs[0].id
    rows = unended(store, run_id, 2)
    with subprocess.Popen(["sleep", "60"]) as worker:
        in_training(store, run_id, child(worker.pid))
        mirror.poll()
        assert client.states[run_id] == "running"
        worker.kill()
    mirror.poll()
    assert (client.states[run_id], client.rows[run_id]) == ("interrupted", 2)
    with in_training(store, run_id):
        mirror.poll()
        ended(store, run_id, rows)
    mirror.poll()
    assert (client.states[run_id], client.rows[run_id], client.opened.count(run_id)) == ("completed", 3, 2)


def another_command() -> Holder:
    """A worker on this machine that some other command has started."""
    return Holder.model_validate({**dict(Holder.here()), "pid": os.getppid(), "parent": 1})


@pytest.mark.parametrize("by", [lambda: OTHER, another_command], ids=["machine", "command"])
def test_a_run_that_another_command_trains_is_left_to_it(
    store: Store, plan: Plan, mirror: Mirror, client: ToyClient, by: Callable[[], Holder]
) -> None:
    run_id = plan.runs[0].id
    rows = unended(store, run_id, 1)
    with in_training(store, run_id, by()):
        mirror.poll()
        ended(store, run_id, rows)
    mirror.finish()
    assert run_id not in client.opened


def test_setting_a_result_aside_opens_no_run(store: Store, toy_plan: PlanMaker, client: ToyClient) -> None:
    plan = toy_plan({"bad": {"fail_at": 3}})
    train(store, plan)
    reset_runs(store, plan, Watch(Timing(), Holder.here()), frozenset({"failed"}), "9999")
    toy_mirror(store, plan, client).finish()
    assert store.result(plan.runs[0].id) is None
    assert not client.opened


def test_the_gpus_shown_are_those_of_the_worker(store: Store, plan: Plan, mirror: Mirror, client: ToyClient) -> None:
    run_id = plan.runs[0].id
    unended(store, run_id, 1)
    path = store.paths.run(run_id).provenance
    origin = atomic.read_json(path, Provenance)
    atomic.write_json(path, Provenance.model_validate({**dict(origin), "accelerator": "cuda"}))
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "CUDA_VISIBLE_DEVICES": "1,0"}) as worker:
        with in_training(store, run_id, child(worker.pid)):
            mirror.poll()
        worker.kill()
    mirror.finish()
    assert client.hardware[run_id] == Hardware(worker.pid, (1, 0))


LOCKS = """
import sys
from pathlib import Path
from harness.store.paths import Paths
from harness.tracking.locks import RunLocks
locks = RunLocks(Paths(Path(sys.argv[1])))
print(locks.take(sys.argv[2]), flush=True)
sys.stdin.read()
"""


def test_a_run_that_another_process_delivers_is_left_to_it_until_it_ends(
    store: Store, plan: Plan, mirror: Mirror, client: ToyClient
) -> None:
    first, *rest = (run.id for run in plan.runs)
    words = [sys.executable, "-c", LOCKS, str(store.paths.root), first]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        mirror.poll()
        assert client.opened == rest
        other.kill()
    mirror.poll()
    assert client.opened == [*rest, first]
    assert client.rows == dict.fromkeys([*rest, first], 3)
