"""Results folders changed by other versions or programs: reported, with exit code 2 where needed, and left unchanged."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import run, status, worker
from harness.experiment.plan import Plan
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store

NOBODY = 65534
PlanMaker = Callable[..., Plan]


@pytest.fixture
def trained(store: Store, toy_plan: PlanMaker) -> Plan:
    """A plan of two runs, both completed."""
    plan = toy_plan(seeds=2)
    assert worker.main([str(store.save_plan(plan))]) == 0
    return plan


def command(store: Store, plan: Plan) -> list[str]:
    return [str(store.paths.plan(plan.name))]


def every_file(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_result_from_a_newer_version_is_named_and_left_as_it_is(
    store: Store, trained: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.paths.run(trained.runs[0].id).result
    path.write_text(json.dumps({"schema": 2, "state": "completed", "verdict": "new here"}))
    before = every_file(store.paths.root)
    assert worker.main(command(store, trained)) == 2
    assert status.main(["toys", "--results", str(store.paths.root)]) == 2
    told = f"{path}: written by a newer version (schema 2, this one reads 1); update the harness"
    assert capsys.readouterr().err.count(told) == 2
    assert every_file(store.paths.root) == before


def test_a_plan_from_a_newer_version_is_named_and_left_as_it_is(
    store: Store, trained: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.paths.plan("toys")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2, "budget": 7}))
    before = every_file(store.paths.root)
    experiment = tmp_path / "toys.yaml"
    experiment.write_text("question: Which toy?\ntask: toy_task:TOY\nseeds: 2\n")
    assert run.main([str(experiment), "--results", str(store.paths.root)]) == 2
    assert worker.main(command(store, trained)) == 2
    assert [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()] == [str(path)] * 2
    assert every_file(store.paths.root) == before


def test_foreign_files_are_skipped(store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy_plan()
    paths = store.paths.run(plan.runs[0].id)
    foreign = [store.paths.root / "notes.txt", store.paths.runs / "notes.txt", store.paths.runs / "old run" / "result.json"]
    foreign += [
        store.paths.plans / "notes.txt",
        paths.folder / "notes.txt",
        paths.folder / "lease.7.bak",
        paths.folder / ".nfs0001",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert worker.main([str(store.save_plan(plan))]) == 0
    assert status.main(["--results", str(store.paths.root)]) == 0
    assert "toys" in capsys.readouterr().out
    assert {path.read_text() for path in foreign} == {"mine"}


@pytest.mark.usefixtures("trained")
def test_a_foreign_file_that_looks_like_a_plan_is_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.paths.plans / "notes.json").write_text('{"milk": 2}')
    assert status.main(["--results", str(store.paths.root)]) == 2
    assert "notes.json: damaged" in capsys.readouterr().err
    assert status.main(["toys", "--results", str(store.paths.root)]) == 0


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As a user whom permissions bind; `folder` is given to that user."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_unwritable_run_is_reported_and_nothing_is_lost(toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]) -> None:
    # Not in pytest's own folder: the user whom permissions bind may not enter that.
    root = Path(tempfile.mkdtemp())
    try:
        store, plan = Store.open(root / "results"), toy_plan(seeds=2)
        path = str(store.save_plan(plan))
        folder = store.paths.run(plan.runs[0].id).folder
        folder.mkdir()
        folder.chmod(0o555)
        with without_rights(root):
            assert worker.main([path]) == 2
        assert (
            f"{folder}/lease.1: cannot be written: Permission denied: this user has no access; change the permissions"
            in capsys.readouterr().err
        )
        folder.chmod(0o755)
        with without_rights(root):
            assert worker.main([path]) == 0
            folder.chmod(0o555)
            assert worker.main([path]) == 0, "what has ended needs only to be read"
    finally:
        shutil.rmtree(root)


def test_a_lease_of_a_machine_that_is_gone_is_shown_and_then_taken_over(
    store: Store, toy_plan: PlanMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = toy_plan()
    path, run_id = str(store.save_plan(plan)), plan.runs[0].id
    gone = Holder(host="gpu07", machine="another", pid=4711, process_start="1")
    held = store.take(run_id, Watch(Timing(), gone))
    assert held is not None
    os.utime(store.paths.run(run_id).lease(held.number), (0, 0))
    assert status.main(["toys", "--results", str(store.paths.root)]) == 0
    assert "interrupted" in capsys.readouterr().out
    assert worker.main([path, "--options-json", '{"poll_s": 0.01, "beat_s": 0.05, "stale_s": 0.2}']) == 0
    assert store.record(run_id).state == "completed"
