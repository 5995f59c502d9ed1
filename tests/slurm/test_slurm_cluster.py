"""A plan on a real SLURM of three virtual nodes: requeued, preempted, warned, a node dead; and the same without privileges."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import toy_task
from bits import bits
from conftest import TESTS
from login_node import EXPERIMENT, ROOT, WORKERS, Submitter, as_nobody, login_node
from mini_slurm import mini_slurm

from harness import worker
from harness.execution.schedule import requested
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.store import lease, provenance
from harness.store.atomic import read_json
from harness.store.provenance import Provenance
from harness.store.records import Store

pytestmark = [pytest.mark.needs("slurmctld", "/usr/sbin/slurmctld"), pytest.mark.alone, pytest.mark.slow]

QUICKER = EXPERIMENT.replace("0.08", "0.03")


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitter]:
    """On a cluster that this user runs."""
    with login_node(tmp_path) as somebody:
        yield somebody


@pytest.fixture
def unprivileged() -> Iterator[Submitter]:
    """`nobody`, on a cluster that nobody runs."""
    if os.geteuid() != 0:
        pytest.skip("these tests are run without privileges already")
    folder = Path(tempfile.mkdtemp(prefix="harness-nobody-"))
    try:
        folder.chmod(0o755)
        (folder / "home").mkdir()
        shutil.chown(folder / "home", "nobody")
        way = as_nobody(folder)
        probe = subprocess.run([*way, sys.executable, "-c", "import pydantic"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            pytest.skip(f"nobody can run {sys.executable} here: {probe.stderr}")
        with mini_slurm(folder / "slurm", "nobody", way) as cluster:
            yield Submitter(cluster, folder / "home", QUICKER)
    finally:
        shutil.rmtree(folder)


def reference(folder: Path, monkeypatch: pytest.MonkeyPatch, experiment: str = EXPERIMENT) -> tuple[Plan, dict[str, Any]]:
    """The plan, and each run's bits when a single local worker trains it. Here the toy need not be slow."""
    (folder / "toys.yaml").write_text(experiment)
    store = Store.open(folder / "reference")
    plan = make_plan(load_experiment(folder / "toys.yaml"), "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(toy_task.time, "sleep", lambda _: None)
        assert worker.main([str(store.save_plan(plan))]) == 0
    trained = [run.id for run in requested(plan, store.records(run.id for run in plan.runs))]
    assert sorted(path.parent.name for path in store.paths.runs.glob("*/result.json")) == sorted(trained)
    assert len(trained) < len(plan.runs)  # some variants are decided before the last look
    return plan, bits(store, trained)


def assert_all_is_well(submitter: Submitter, job: str, report: str, expected: Mapping[str, Any]) -> None:
    """Every run has one result with a local run's bits, nobody holds a lease, the report came last."""
    store = Store.open(submitter.results)
    assert sorted(path.parent.name for path in store.paths.runs.glob("*/result.json")) == sorted(expected)
    assert not list(store.paths.runs.glob("*/result.[0-9]*.json"))
    assert bits(store, list(expected)) == expected
    for run_id in expected:
        seen = lease.newest(store.paths.run(run_id).folder)
        assert seen is not None
        assert seen.released, run_id
    assert {task.state for task in submitter.tasks(job)} == {"COMPLETED"}
    assert [task.state for task in submitter.tasks(report)] == ["COMPLETED"]
    page = store.paths.report("toys") / "verdicts.json"
    assert json.loads(page.read_text())["complete"]
    newest = max(store.paths.run(run_id).result.stat().st_mtime for run_id in expected)
    assert page.stat().st_mtime > newest
    assert submitter.harness("harness.verify", code=0)


def gpus(logs: str) -> list[tuple[str, str]]:
    """Node and GPU of every start of a worker."""
    return re.findall(r"Z (\w+): worker started, .* GPU (\S+)$", logs, re.MULTILINE)


def test_a_plan_survives_requeues_preemption_warnings_and_a_dead_node(
    submitter: Submitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, expected = reference(tmp_path, monkeypatch)
    began = time.monotonic()
    document = submitter.submit()
    (job,), report = document["jobs"], document["report"]
    assert (document["due"], document["later"], document["jobs"][job]) == (12, 28, WORKERS)
    store = Store.open(submitter.results)
    ids = [run.id for run in plan.runs]

    def training() -> int:
        return sum(record.state == "running" for record in store.records(ids).values())

    cluster = submitter.cluster
    submitter.wait(lambda: training() == WORKERS, "not all workers train")
    first_step = time.monotonic() - began
    assert len(set(gpus(submitter.logs()))) == WORKERS  # two tasks a node, each with a GPU of its own
    known = submitter.status()["queue"]["tasks"]
    assert [task["state"] for task in known] == ["RUNNING"] * WORKERS + ["PENDING"]
    assert len({task["run"] for task in known[:WORKERS]}) == WORKERS
    assert known[-1]["report"]
    shown = submitter.harness("harness.status", "toys")
    assert re.search(rf"^{job}_0 +running +\w+ seed \d +node1", shown, re.MULTILINE), shown
    assert f"stop: scancel {job} {report}" in shown

    waits = {}
    cluster.run("scontrol", "requeue", f"{job}_0")
    waits["requeue"] = submitter.wait(lambda: submitter.requeued(job) == 1, "not requeued")
    # The last task, whose own job id is the array's too.
    cluster.run("scancel", "--signal=USR1", "--batch", f"{job}_{WORKERS - 1}")
    waits["USR1"] = submitter.wait(lambda: submitter.requeued(job) == 2, "did not requeue itself")
    submitter.wait(lambda: "BeginTime" in [task.reason for task in submitter.tasks(job)], "not held back")
    waits["running again"] = submitter.wait(lambda: len(submitter.running(job)) == WORKERS, "not all run again")

    full = next(node for node in ("node1", "node2", "node3") if [t.node for t in submitter.running(job)].count(node) == 2)
    cluster.run("sbatch", "-p", "high", "-w", full, "-c", "4", "-o", "/dev/null", "--wrap", "sleep 2")
    waits["preempted"] = submitter.wait(lambda: submitter.requeued(job) == 4, "not preempted")
    waits["running again after preemption"] = submitter.wait(lambda: len(submitter.running(job)) == WORKERS, "not all run again")

    victim = submitter.running(job)[0].node
    assert victim is not None
    lost = sum(task.node == victim for task in submitter.running(job))
    assert cluster.kill_node(victim) > lost
    waits["dead node"] = submitter.wait(lambda: submitter.requeued(job) == 4 + lost, "not requeued", 120)
    waits["report"] = submitter.wait(lambda: submitter.tasks(report)[0].state == "COMPLETED", "no report", 120)
    print(f"first step of all {first_step:.1f} s, all {time.monotonic() - began:.1f} s, waits {waits}")

    assert_all_is_well(submitter, job, report, expected)
    origins = [read_json(store.paths.run(run_id).provenance, Provenance) for run_id in expected]
    assert {origin.code.digest for origin in origins} == {provenance.code(ROOT / "harness", TESTS / "toy_task.py").digest}
    assert sum(len(origin.restarts) for origin in origins) >= 3  # went on where they were


def test_an_unprivileged_user_can_submit(unprivileged: Submitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, expected = reference(tmp_path, monkeypatch, QUICKER)
    document = unprivileged.submit()
    (job,), report = document["jobs"], document["report"]
    cluster = unprivileged.cluster
    unprivileged.wait(lambda: len(gpus(unprivileged.logs())) >= WORKERS, "not all workers begin")
    cluster.run("scontrol", "requeue", f"{job}_0")
    cluster.run("scancel", "--signal=USR1", "--batch", f"{job}_1")
    unprivileged.wait(lambda: unprivileged.requeued(job) == 2, "not requeued")
    unprivileged.wait(lambda: unprivileged.tasks(report)[0].state == "COMPLETED", "no report", 150)
    assert_all_is_well(unprivileged, job, report, expected)
    assert {path.owner() for path in unprivileged.results.rglob("*")} == {"nobody"}
